"""The peers that live in .venv-bench-rectools: reads case names from stdin, answers one JSON line per case.

Runs alone, without recsys: .venv-bench-rectools/bin/python benchmarks/peer.py ARRAYS.npz THREADS
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from rectools.metrics import MAP, MRR, NDCG, Recall, calc_metrics
from rectools.models.rank import Distance, ImplicitRanker
from scipy import sparse

K, AT = 10, 100
PACKAGES = ("rectools", "ranx", "pm-implicit", "faiss-cpu", "numpy")


class Peers:
    """The work, and one method per case."""

    def __init__(self, path: str, threads: int) -> None:
        work = np.load(path)
        self.customers, self.products, self.threads = work["customers"], work["products"], threads
        shape = len(self.customers), len(self.products)
        parts = np.ones(len(work["seen"]), np.float32), work["seen"], work["seen_start"]
        self.seen = sparse.csr_matrix(parts, shape=shape)
        owner = np.repeat(np.arange(shape[0]), np.diff(work["start"]))
        self.truth = pd.DataFrame({"user_id": owner, "item_id": work["product"]})
        self.wanted = np.flatnonzero(~work["barred"])
        self.indexed: Any = None
        self.qrels: Any = None

    def lists(self, k: int, wanted: Any = None) -> Any:
        ranker = ImplicitRanker(Distance.DOT, self.customers, self.products, num_threads=self.threads)
        return ranker.rank(np.arange(len(self.customers)), k, self.seen, wanted)

    def rectools_metrics(self) -> dict[str, float]:
        row, product, _ = self.lists(K)
        table = pd.DataFrame({"user_id": row, "item_id": product})
        table["rank"] = table.groupby("user_id", sort=False).cumcount() + 1
        metrics = {"ndcg": NDCG(K, divide_by_achievable=True), "map": MAP(K), "recall": Recall(K), "mrr": MRR(K)}
        return calc_metrics(metrics, table, self.truth)

    def ranx_metrics(self) -> dict[str, float]:
        from ranx import Qrels, Run, evaluate

        if self.qrels is None:
            self.qrels = Qrels.from_df(self.truth.astype(str).assign(score=1), "user_id", "item_id")
        row, product, score = self.lists(K)
        table = pd.DataFrame({"user_id": row, "item_id": product}).astype(str)
        table["score"] = np.asarray(score, dtype=np.float64)
        run = Run.from_df(table, "user_id", "item_id", "score")
        found = evaluate(self.qrels, run, [f"{name}@{K}" for name in ("ndcg", "map", "recall", "mrr")])
        return {name.split("@")[0]: float(value) for name, value in found.items()}

    def rectools_lists(self) -> dict[str, float]:
        self.lists(AT, self.wanted)
        return {}

    def faiss_lists(self) -> dict[str, float]:
        import faiss

        if self.indexed is None:
            faiss.omp_set_num_threads(self.threads)
            self.indexed = faiss.IndexFlatIP(self.products.shape[1])
            self.indexed.add(self.products)
        self.indexed.search(self.customers, AT)
        return {}


def main() -> None:
    peers = Peers(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        name = line.strip()
        if name == "versions":
            print(json.dumps({package: version(package) for package in PACKAGES}), flush=True)
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        values = getattr(peers, name)()
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(spent | {"values": values}), flush=True)


if __name__ == "__main__":
    main()
