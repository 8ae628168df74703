"""E1, E2: from the same factors to NDCG, MAP, recall and MRR at 10 of every customer, seen products removed.

    .venv/bin/python -m benchmarks.evaluation [--threads 1] [--json OUT]

Ours is the score product, the ranks of the held-out products and the metrics. RecTools and ranx run in
.venv-bench-rectools (benchmarks/peers.sh) and are left out where that is absent, MovieLens where its folder is.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.factors import Work, movielens, simulate
from benchmarks.sidebyside import PEERS, ROOT, Case, Goal, Peer, measure, pin_blas, report, timed
from recsys.evaluation.metrics import RANK_METRICS
from recsys.ranking.ranks import held_out_ranks

K = 10
NAMES = ("ndcg", "map", "recall", "mrr")
OURS, PRODUCT = "recsys: ranks and metrics", "score product alone"


def main() -> None:
    pin_blas()
    options = _options()
    works = {"E1 simulated, 3,000 x 20,000, d=64": simulate(3_000, 20_000, 64, events=45, held_out=5)}
    if options.movielens.exists():
        works["E2 MovieLens-1M, 6,040 x 3,706, d=64"] = movielens(options.movielens, 64)
    reports = [compare(title, work, options.threads, options.repeats) for title, work in works.items()]
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1))


def compare(title: str, work: Work, threads: int, repeats: int) -> dict[str, Any]:
    """Check that everybody computes the same figures, then time them."""
    with tempfile.TemporaryDirectory() as folder:
        work.save(Path(folder) / "work.npz")
        peer = Peer("peer.py", Path(folder) / "work.npz", threads) if PEERS.exists() else None
        versions = peer.ask("versions") if peer else {}
        figures = {OURS: ours(work, threads), "torch": torch_metrics(work, threads)}
        cases: dict[str, Case] = {
            PRODUCT: timed(lambda: product(work, threads)),
            OURS: timed(lambda: ours(work, threads)),
            "torch: product, topk, metrics": timed(lambda: torch_metrics(work, threads)),
            "implicit: ranking_metrics_at_k": timed(lambda: implicit_metrics(work, threads)),
        }
        if peer:
            figures |= {name: peer.ask(f"{name}_metrics")["values"] for name in ("rectools", "ranx")}
            cases["RecTools: ImplicitRanker, calc_metrics"] = peer.case("rectools_metrics")
            cases["ranx: ImplicitRanker, evaluate"] = peer.case("ranx_metrics")
        found = measure(cases, repeats)
        if peer:
            peer.close()
    show(figures)
    peers = tuple(name for name in cases if name not in (OURS, PRODUCT))
    goals = [Goal("of the fastest peer", OURS, peers, 0.5), Goal("of the product alone", OURS, (PRODUCT,), 1.6)]
    return report(f"{title}, {threads} thread(s)", found, goals) | {"figures": figures, "versions": versions}


def product(work: Work, threads: int) -> None:
    for _ in work.each_block(lambda rows, scores: None, threads):
        pass


def ours(work: Work, threads: int) -> dict[str, float]:
    def rank(rows: slice, scores: Any) -> Any:
        start = work.start[rows.start : rows.stop + 1]
        held_out = work.product[start[0] : start[-1]]
        return held_out_ranks(scores, start - start[0], held_out, seen=work.seen[rows])

    ranks = np.concatenate(list(work.each_block(rank, threads)))
    return {name: float(np.nanmean(RANK_METRICS[name](ranks, work.start, K))) for name in NAMES}


def torch_metrics(work: Work, threads: int) -> dict[str, float]:
    """Blocks of 1,024 rows: product, seen set to -inf, topk, hits by binary search in the sorted truth."""
    import torch

    torch.set_num_threads(threads)
    customers, products = torch.from_numpy(work.customers), torch.from_numpy(work.products)
    n, m = len(customers), len(products)
    sizes = torch.from_numpy(np.diff(work.start))
    truth = torch.sort(torch.repeat_interleave(torch.arange(n), sizes) * m + torch.from_numpy(work.product)).values
    hits = torch.empty((n, K), dtype=torch.float64)
    for first in range(0, n, 1024):
        rows = slice(first, min(first + 1024, n))
        scores = customers[rows] @ products.T
        own = work.seen[rows].tocoo()
        scores[torch.from_numpy(own.row).long(), torch.from_numpy(own.col).long()] = -torch.inf
        keys = torch.topk(scores, K).indices + torch.arange(rows.start, rows.stop)[:, None] * m
        at = torch.searchsorted(truth, keys).clamp(max=len(truth) - 1)
        hits[rows] = (truth[at] == keys).double()
    place = torch.arange(1, K + 1)
    gain, best = 1 / torch.log2(place + 1.0), torch.minimum(sizes, torch.tensor(K))
    ideal = torch.cumsum(gain, 0)[best - 1]
    precision = hits.cumsum(1) / place
    return {
        "ndcg": float(((hits * gain).sum(1) / ideal).mean()),
        "map": float(((hits * precision).sum(1) / best).mean()),
        "recall": float((hits.sum(1) / sizes).mean()),
        "mrr": float((hits / place).max(1).values.mean()),
    }


def implicit_metrics(work: Work, threads: int) -> dict[str, float]:
    """All that implicit computes: precision, MAP, NDCG and AUC, no MRR."""
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k
    from scipy import sparse

    model = AlternatingLeastSquares(factors=work.customers.shape[1], num_threads=threads)
    model.user_factors, model.item_factors = work.customers, work.products
    parts = np.ones(len(work.product), dtype=np.float32), work.product, work.start
    held_out = sparse.csr_matrix(parts, shape=work.seen.shape)
    found = ranking_metrics_at_k(model, work.seen, held_out, K=K, show_progress=False, num_threads=threads)
    return {name: float(found[name]) for name in ("ndcg", "map")}


def show(figures: dict[str, dict[str, float]]) -> None:
    """The values themselves: MAP differs where the denominator does (RecTools and ranx divide by all relevant)."""
    print("\n" + "".join(f"{name:>12}" for name in ("", *NAMES)))
    for who, values in figures.items():
        print(f"{who[:12]:>12}" + "".join(f"{values[name]:>12.6f}" for name in NAMES))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--movielens", type=Path, default=ROOT.parent / "shared" / "data" / "ml-1m-ncf")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
