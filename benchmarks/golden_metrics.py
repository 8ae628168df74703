"""Compute the golden metric values with RecTools, ranx, implicit and scikit-learn: done once, stored with versions.

Runs alone (RecTools pins numpy<2): .venv-bench-rectools/bin/python benchmarks/golden_metrics.py OUT.json
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from implicit.cpu.als import AlternatingLeastSquares
from implicit.evaluation import ranking_metrics_at_k
from ranx import Qrels, Run, evaluate
from rectools import metrics as rt
from scipy import sparse
from sklearn.metrics import roc_auc_score

CUSTOMERS, PRODUCTS, DEPTH, AT = 9, 31, 4, (1, 3, 10)
TRUTH = [[3], [], [0, 30], [5, 6, 7, 8, 9], list(range(10, 26)), [1, 2, 4], [29], [11, 28, 13, 2], [17, 16]]


def main(out: Path) -> None:
    rng = np.random.default_rng(7)
    customers = rng.normal(size=(CUSTOMERS, DEPTH)).astype(np.float32)
    products = rng.normal(size=(PRODUCTS, DEPTH)).astype(np.float32)
    scores = customers @ products.T
    past = rng.random((20, PRODUCTS)) < np.linspace(0.02, 0.5, PRODUCTS)
    past[:, 4] = False  # never bought
    past[:, 5] = np.arange(20) == 3  # bought once: the rarest
    features = (rng.random((PRODUCTS, 6)) < 0.4).astype(float)
    features[:, 0] = 1
    case = {
        "versions": {name: version(name) for name in ("rectools", "ranx", "pm-implicit", "scikit-learn", "numpy")},
        "scores": scores.astype(float).tolist(),
        "truth": TRUTH,
        "past": past.astype(int).tolist(),
        "features": features.tolist(),
        "rectools": rectools_values(scores, past, features),
        "ranx": ranx_values(scores),
        "implicit": implicit_values(customers, products),
        "sklearn": {"auc": {str(i): auc(scores[i], TRUTH[i]) for i in range(CUSTOMERS) if TRUTH[i]}},
    }
    out.write_text(json.dumps(case) + "\n")


def auc(scores: Any, truth: list[int]) -> float:
    return float(roc_auc_score(np.isin(np.arange(PRODUCTS), truth), scores))


class Cosine(rt.distances.PairwiseDistanceCalculator):
    def __init__(self, features: Any) -> None:
        self.unit = features / np.linalg.norm(features, axis=1, keepdims=True)

    def _get_distances_for_item_pairs(self, first: Any, second: Any) -> Any:
        return 1 - (self.unit[np.asarray(first, int)] * self.unit[np.asarray(second, int)]).sum(axis=1)


def rectools_values(scores: Any, past: Any, features: Any) -> dict[str, Any]:
    order = np.argsort(-scores, axis=1)
    lists = pd.DataFrame(
        [(i, int(j), r + 1) for i in range(CUSTOMERS) for r, j in enumerate(order[i])],
        columns=["user_id", "item_id", "rank"],
    )
    truth = pd.DataFrame([(i, j) for i, row in enumerate(TRUTH) for j in row], columns=["user_id", "item_id"])
    before = pd.DataFrame(np.argwhere(past), columns=["user_id", "item_id"])
    found: dict[str, Any] = {}
    for k in AT:
        per_user = {
            "hit": rt.HitRate(k=k).calc_per_user(lists, truth),
            "recall": rt.Recall(k=k).calc_per_user(lists, truth),
            "precision": rt.Precision(k=k).calc_per_user(lists, truth),
            "ndcg": rt.NDCG(k=k, divide_by_achievable=True).calc_per_user(lists, truth),
            "mrr": rt.MRR(k=k).calc_per_user(lists, truth),
            "map_all": rt.MAP(k=k).calc_per_user(lists, truth),
            "novelty": rt.MeanInvUserFreq(k=k).calc_per_user(lists, before),
            "serendipity": rt.Serendipity(k=k).calc_per_user(lists, truth, before, range(PRODUCTS)),
        }
        if k > 1:
            diversity = rt.IntraListDiversity(k=k, distance_calculator=Cosine(features))
            per_user["diversity"] = diversity.calc_per_user(lists)
        for name, values in per_user.items():
            found[f"{name}@{k}"] = {str(i): float(v) for i, v in values.items()}
        found[f"coverage@{k}"] = float(rt.CatalogCoverage(k=k, normalize=True).calc(lists, range(PRODUCTS)))
    return found


def ranx_values(scores: Any) -> dict[str, Any]:
    wanted = {i: row for i, row in enumerate(TRUTH) if row}
    truth = Qrels({str(i): {str(j): 1 for j in row} for i, row in wanted.items()})
    run = Run({str(i): {str(j): float(scores[i, j]) for j in range(PRODUCTS)} for i in wanted})
    names = {"hit": "hit_rate", "recall": "recall", "precision": "precision", "ndcg": "ndcg", "mrr": "mrr"}
    names["map_all"] = "map"
    evaluate(truth, run, [f"{name}@{k}" for name in names.values() for k in AT])
    return {
        f"{ours}@{k}": {i: float(v) for i, v in run.scores[f"{name}@{k}"].items()}
        for ours, name in names.items()
        for k in AT
    }


def implicit_values(customers: Any, products: Any) -> dict[str, float]:
    model = AlternatingLeastSquares(factors=DEPTH, num_threads=1)
    model.user_factors, model.item_factors = customers, products
    held_out = sparse.lil_matrix((CUSTOMERS, PRODUCTS), dtype=np.float32)
    for i, row in enumerate(TRUTH):
        held_out[i, row] = 1
    nothing = sparse.csr_matrix((CUSTOMERS, PRODUCTS), dtype=np.float32)
    found = {}
    for k in AT:
        means = ranking_metrics_at_k(model, nothing, held_out.tocsr(), K=k, show_progress=False, num_threads=1)
        found |= {f"map_min@{k}": float(means["map"]), f"ndcg@{k}": float(means["ndcg"])}
    whole = ranking_metrics_at_k(model, nothing, held_out.tocsr(), K=PRODUCTS, show_progress=False, num_threads=1)
    return found | {"auc": float(whole["auc"])}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
