"""A scorer against held-out days: ranks and lists, block by block, on the three tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, Events, Flags, Queries, Rows, Scorer, Truth
from recsys.data.split import HeldOut, unseen
from recsys.ranking.align import score_blocks
from recsys.ranking.ranks import ranks_and_pools
from recsys.ranking.topk import top_k

TRACKS = ("new", "repeats", "basket")


@dataclass(frozen=True)
class Exam:
    """One track's questions and answers."""

    queries: Queries
    truth: Truth
    seen: Rows | None  # never offered to the row
    barred: Flags | None  # never offered to anybody
    candidates: Rows | None = None
    features: Rows | None = None  # [m, columns] of the products: how alike those of one list are


@dataclass(frozen=True)
class Answers:
    """What one scorer answered."""

    ranks: I32  # [nnz of truth] 1-based, 0 = miss
    lists: I32  # [n, k] padded with -1
    seconds: float
    pool: I32  # [n] products ranked, the held-out ones included


def exams(held: HeldOut, barred: Flags | None, features: Rows | None = None) -> Mapping[str, Exam]:
    """New products (seen ones removed), with repeats, and completing a basket from one of its items."""
    m = len(held.queries.space.products)
    seen = held.queries.history.seen(m)
    return {
        "new": Exam(held.queries, unseen(held.truth, held.queries.history, m), seen, barred, features=features),
        "repeats": Exam(held.queries, held.truth, None, barred, features=features),
        "basket": Exam(held.baskets, held.basket_truth, held.baskets.basket, barred, features=features),
    }


def bought_share(history: Events, m: int) -> F64:
    """Share of the queries' customers who bought each product: float64[m], for novelty."""
    buyers = np.asarray((history.seen(m) > 0).sum(axis=0), dtype=np.float64).ravel()
    return buyers / max(len(history), 1)


def answer(scorer: Scorer, exam: Exam, k: int, fallback: Scorer | None = None) -> Answers:
    """Rank the held-out products and list the top k of every query."""
    from time import perf_counter

    began = perf_counter()
    n = len(exam.queries)
    ranks, pool = np.zeros(len(exam.truth.product), dtype=np.int32), np.zeros(n, dtype=np.int32)
    lists = np.full((n, k), -1, dtype=np.int32)
    for rows, scores in score_blocks(scorer, exam.queries, fallback):
        first, last = exam.truth.start[rows.start], exam.truth.start[rows.stop]
        start = exam.truth.start[rows.start : rows.stop + 1] - first
        seen = None if exam.seen is None else exam.seen[rows]
        asked = None if exam.candidates is None else exam.candidates[rows]
        ranks[first:last], pool[rows] = ranks_and_pools(
            scores, start, exam.truth.product[first:last], seen=seen, barred=exam.barred, candidates=asked
        )
        lists[rows] = top_k(scores, k, seen=seen, barred=exam.barred)[0]
    return Answers(ranks, lists, perf_counter() - began, pool)
