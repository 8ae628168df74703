"""EASE of RecTools in its own environment: fits once for every line read, answers one JSON line of seconds each time.

.venv-bench-rectools/bin/python benchmarks/fit_peer.py PAIRS.npz REGULARISATION WEIGHTS.npy
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import pandas as pd
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel


def main() -> None:
    pairs = np.load(sys.argv[1])
    table = pd.DataFrame({Columns.User: pairs["customer"], Columns.Item: pairs["product"]})
    table = table.assign(**{Columns.Weight: 1.0, Columns.Datetime: "2000-01-01"})
    data = Dataset.construct(table)
    place = np.argsort(data.item_id_map.get_external_sorted_by_internal())  # its rows in the order of our products
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        model = EASEModel(regularization=float(sys.argv[2])).fit(data)
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        np.save(sys.argv[3], model.weight[np.ix_(place, place)])
        print(json.dumps(spent | {"version": version("rectools")}), flush=True)


if __name__ == "__main__":
    main()
