"""choice-learn's assortment optimiser with OR-Tools: one instance as JSON per line in, one answer per line out.

Runs alone, without recsys: .venv-bench-choice/bin/python benchmarks/assortment_peer.py
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from choice_learn.toolbox.assortment_optimizer import LatentClassAssortmentOptimizer, MNLAssortmentOptimizer


def answer(instance: dict[str, Any]) -> dict[str, Any]:
    """{"set": rows, "wall": s}; preferences [types][n] = exp(utility), the outside option is 1."""
    began = time.perf_counter()
    v, r, size = np.array(instance["preferences"]), np.array(instance["revenues"]), instance["size"]
    if len(v) == 1:
        model = MNLAssortmentOptimizer("or-tools", v[0], r, size)
    else:
        model = LatentClassAssortmentOptimizer("or-tools", np.array(instance["weights"]), v, r, size)
    model.solver.set_time_limit(int(1000 * instance["seconds"]))
    carried = np.asarray(model.solve()[0]) > 0.5
    return {"set": np.flatnonzero(carried).tolist(), "wall": time.perf_counter() - began}


def main() -> None:
    print(json.dumps({name: version(name) for name in ("choice-learn", "ortools")}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
