"""From scores to lists: rules last, over-fetched so that lists stay full, and a declared fallback ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, I32, Flags, Queries, Recommendations, Rows, Scorer
from recsys.ranking.align import score_blocks
from recsys.ranking.topk import top_k


@dataclass(frozen=True)
class Rules:
    """What may be shown: nothing barred to anybody, nothing of `seen` to its own row."""

    barred: Flags | None = None  # [m]
    seen: Rows | None = None  # csr [n, m]


@dataclass(frozen=True)
class Served:
    """Lists and the rung of the ladder (0 = the contender itself) that filled each place; -1 where empty."""

    lists: Recommendations
    rung: I32  # [n, k]


def recommend(ladder: Sequence[Scorer], queries: Queries, k: int, rules: Rules) -> Served:
    """Top k per query by the first scorer of the ladder; places it leaves empty are filled by the next ones."""
    n = len(queries)
    products, scores = np.full((n, k), -1, np.int32), np.full((n, k), np.nan, np.float32)
    rung = np.full((n, k), -1, dtype=np.int32)
    for step, scorer in enumerate(ladder):
        short = np.flatnonzero(products[:, -1] < 0).astype(np.int32)
        if not len(short):
            break
        for rows, block in score_blocks(scorer, queries.take(short)):
            at = short[rows]
            seen = None if rules.seen is None else rules.seen[at]
            best, values = top_k(_without(block, products[at]), k, seen=seen, barred=rules.barred)
            _append(products, scores, rung, at, best, values, step)
    return Served(Recommendations(queries.customer, products, scores), rung)


def _without(block: F32, listed: I32) -> F32:
    """Scores with the products already listed taken out."""
    row, place = np.nonzero(listed >= 0)
    if len(row):
        block = block.copy()
        block[row, listed[row, place]] = np.nan
    return block


def _append(products: I32, scores: F32, rung: I32, at: I32, best: I32, values: F32, step: int) -> None:
    """Put the new products behind the ones already listed, in place of the padding."""
    k = products.shape[1]
    filled = (products[at] >= 0).sum(axis=1)
    row, place = np.nonzero(best >= 0)
    target = filled[row] + place
    fits = target < k
    row, place, target = row[fits], place[fits], target[fits]
    products[at[row], target] = best[row, place]
    scores[at[row], target] = values[row, place]
    rung[at[row], target] = step


def shares_by_rung(served: Served, names: Sequence[str]) -> dict[str, float]:
    """Share of all places each rung of the ladder filled; `empty` for places nobody could fill."""
    total = max(served.rung.size, 1)
    shares = {name: float((served.rung == step).sum() / total) for step, name in enumerate(names)}
    return shares | {"empty": float((served.rung < 0).sum() / total)}
