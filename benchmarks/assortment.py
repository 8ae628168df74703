"""Assortments: value, time and proof on stated instances, beside choice-learn's optimiser on the same ones.

    python -m benchmarks.assortment [--seconds 120] [--small] [--json OUT]

A1: multinomial logit, 100,000 products, in <= .2 s; nested logit, 20 nests of 1,000, in <= 10 ms after warm-up. A2:
mixed logit with 10 types: the optimum proven at 100 products, a gap <= 2 % at 1,000, each in `--seconds`. P1: the
peer's answer to the same multinomial and latent-class problems: money of its set under the same model, and its time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sidebyside import ROOT, pin_blas
from recsys.assortment.instance import Instance, value
from recsys.assortment.optimise import optimise
from recsys.assortment.read import instance_of

PEER = ROOT / ".venv-bench-choice" / "bin" / "python"
MNL, NESTED, GAP = 0.2, 0.010, 0.02  # goals: seconds, seconds, relative gap
MIXED = ((100, 10, 10), (1000, 10, 20), (1000, 10, 50))  # products, types, cap
BESIDE = ((50, 5, 10), (100, 10, 10))
MNL_SIZES, MNL_CASES, REPEATS = ((200, 10), (12, 9)), 20, 15
PEER_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--small", action="store_true", help="no mixed logit of 1,000 products")
    parser.add_argument("--json", type=Path, dest="out")
    options = parser.parse_args()
    pin_blas()
    found = {"exact": exact(), "mixed": mixed(options.seconds, MIXED[: 1 if options.small else None])}
    found["peer"] = beside(options.seconds) if PEER.is_file() else "no .venv-bench-choice: run benchmarks/peers.sh"
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def exact() -> dict[str, Any]:
    """A1: medians after one warm-up."""
    rng = np.random.default_rng(0)
    large = instance_of(mnl(rng, 100_000, size=20))
    labels = np.repeat(np.arange(20), 1000).tolist()
    gamma = rng.uniform(0.2, 1.0, 20).tolist()
    nested = instance_of({**mnl(rng, 20_000), "model": "nested_logit", "nests": labels, "dissimilarity": gamma})
    found = {"mnl_100000_cap_20": _median(lambda: optimise(large)), "nested_20x1000": _median(lambda: optimise(nested))}
    goals = {"mnl_100000_cap_20": MNL, "nested_20x1000": NESTED}
    return {name: {**took, "goal_s": goals[name], "met": took["wall_s"] <= goals[name]} for name, took in found.items()}


def mixed(seconds: float, sizes: tuple[tuple[int, int, int], ...]) -> list[dict[str, Any]]:
    """A2: one instance per size."""
    rows = []
    for n, types, cap in sizes:
        instance = instance_of(latent(np.random.default_rng(n + types + cap), types, n, size=cap))
        began = time.perf_counter()
        found = optimise(instance, seconds)
        wall = time.perf_counter() - began
        met = found.status == "optimal" if n == 100 else found.gap <= GAP
        rows.append({"n": n, "types": types, "cap": cap, "value": found.value, "gap": found.gap,
                     "status": found.status, "wall_s": wall, "met": met})  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def beside(seconds: float, sizes: tuple[tuple[int, int, int], ...] = BESIDE) -> dict[str, Any]:
    """P1: ours and the peer's on the same instances."""
    pipe = subprocess.PIPE
    command = [str(PEER), str(ROOT / "benchmarks" / "assortment_peer.py")]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        versions = json.loads(process.stdout.readline())
        small = {f"mnl_{n}_cap_{cap}": _mnl_cases(process, n, cap) for n, cap in MNL_SIZES}
        large = [_pair(process, instance_of(latent(np.random.default_rng(n + k + c), k, n, size=c)), seconds, (n, k, c))
                 for n, k, c in sizes]  # fmt: skip
        assert process.stdin is not None
        process.stdin.close()
    return {"versions": versions, **small, "latent_class": large}


def _mnl_cases(process: Any, n: int, cap: int) -> dict[str, Any]:
    """How often the peer's set has more than `cap` products, and what the others lose against the best."""
    rng = np.random.default_rng(1)
    rows = [_pair(process, instance_of(mnl(rng, n, size=cap)), 1.0) for _ in range(MNL_CASES)]
    kept = [row for row in rows if row["peer_products"] <= cap]
    loss = np.array([1 - row["peer_value"] / row["value"] for row in kept])
    return {
        "cases": len(rows), "peer_breaks_the_cap_in": len(rows) - len(kept), "peer_worse_in": int((loss > 1e-9).sum()),
        "mean_loss": float(loss.mean()) if kept else None, "max_loss": float(loss.max()) if kept else None,
        "wall_s": float(np.median([r["wall_s"] for r in rows])),
        "peer_wall_s": float(np.median([r["peer_wall_s"] for r in rows])),
    }  # fmt: skip


def mnl(rng: np.random.Generator, n: int, **more: Any) -> dict[str, Any]:
    """A multinomial logit whose dear products are liked less."""
    price = rng.lognormal(2.0, 0.5, n)
    utilities = rng.normal(0, 1, n) - 0.15 * price
    return {"model": "mnl", "utilities": utilities.tolist(), "revenues": price.tolist(), **more}


def latent(rng: np.random.Generator, types: int, n: int, **more: Any) -> dict[str, Any]:
    """Types that differ in taste for three traits and in price sensitivity, as BLP draws do."""
    price = rng.lognormal(2.0, 0.5, n)
    taste, traits = rng.normal(0, 0.8, (types, 3)), rng.normal(size=(n, 3))
    alpha = rng.lognormal(np.log(0.15), 0.4, types)
    utilities = -1.0 + taste @ traits.T - alpha[:, None] * price
    weights = rng.dirichlet(np.full(types, 3.0)).tolist()
    return {"model": "mixed_logit", "weights": weights, "utilities": utilities.tolist(), "revenues": price.tolist(),
            **more}  # fmt: skip


def _pair(process: Any, instance: Instance, seconds: float, size: tuple[int, ...] = ()) -> dict[str, Any]:
    began = time.perf_counter()
    ours = optimise(instance, seconds)
    wall = time.perf_counter() - began
    cap = round(next(rule.high for rule in instance.rules))
    v = instance.preference / instance.outside[:, None]
    told = {"preferences": v.tolist(), "weights": instance.weight.tolist(), "revenues": instance.revenue.tolist(),
            "size": cap, "seconds": PEER_SECONDS}  # fmt: skip
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()
    theirs = json.loads(process.stdout.readline())
    carried = np.isin(np.arange(instance.n), theirs["set"])
    return {"size": size, "value": ours.value, "gap": ours.gap, "status": ours.status, "wall_s": wall,
            "peer_value": value(instance, carried), "peer_products": len(theirs["set"]),
            "peer_wall_s": theirs["wall"]}  # fmt: skip


def _median(work: Callable[[], Any]) -> dict[str, float]:
    work()
    rounds = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.median(np.array(rounds), axis=0)
    return {"wall_s": float(wall), "cpu_s": float(cpu)}


if __name__ == "__main__":
    main()
