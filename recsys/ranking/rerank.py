"""Money in the ranking: chance of buying x margin^b, with what each b costs in relevance.

n = queries, c = candidates per query (a contender's best couple of hundred), k = places, m = products. A place counts
1 / log2(1 + rank). Chances must be calibrated: the product of a raw score and a margin means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, F64, I32
from recsys.errors import DataError
from recsys.ranking.topk import top_k

POWERS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
LEAST_RELEVANCE, MOST_DEARER = 0.97, 0.05  # what a chosen power keeps, and how many price percentiles it may cost


@dataclass(frozen=True)
class Candidates:
    """What may be shown to each query. Raises DataError for chances outside [0, 1]."""

    products: I32  # [n, c] padded with -1
    chance: F64  # [n, c] calibrated P(buy); ignored where padded

    def __post_init__(self) -> None:
        inside = self.chance[self.products >= 0]
        if self.products.shape != self.chance.shape or not ((inside >= 0) & (inside <= 1)).all():
            got = f"shapes {self.products.shape}, {self.chance.shape}, or a chance outside [0, 1]"
            raise DataError("Re-ranking: chances", got=got, wanted="a calibrated probability per candidate")

    def of(self, values: F64 | F32) -> F64:
        """[n, c] value of each candidate from values [m]; 0 where padded."""
        return np.where(self.products >= 0, np.asarray(values, dtype=np.float64)[self.products], 0.0)


@dataclass(frozen=True)
class FrontierPoint:
    """What one b gives; shares of what b = 0 gives."""

    power: float
    relevance: float  # expected purchases per query, discounted by place, as a share
    revenue: float  # expected margin per query, discounted by place, in the margin's currency
    revenue_share: float
    price_shift: float  # mean price percentile of what is shown, less that at b = 0; 0.05 = five percentiles dearer


def rerank(candidates: Candidates, margin: F64, power: float, k: int) -> I32:
    """Products [n, k], best first by chance x margin^power; ties as `top_k`. `margin` [m], a loss counts as 0.

    At power 0 margins play no part; above it a product without margin comes last.
    """
    return take(candidates, weigh(candidates, margin, power), k)


def weigh(candidates: Candidates, margin: F64, power: float) -> F64:
    """Scores [n, c], NaN where padded. Raises DataError for margins that are not finite or a power outside [0, 1]."""
    if not np.isfinite(margin).all() or not 0 <= power <= 1:
        got = f"power {power}, {int((~np.isfinite(margin)).sum())} margins not finite"
        raise DataError("Re-ranking", got=got, wanted="finite margins and a power in [0, 1]")
    return np.where(candidates.products >= 0, candidates.chance * candidates.of(np.maximum(margin, 0)) ** power, np.nan)


def frontier(
    candidates: Candidates, margin: F64, k: int, price: F64 | None = None, powers: Sequence[float] = POWERS
) -> tuple[FrontierPoint, ...]:
    """The relevance and revenue of each b; `price` [m] tells how much dearer the lists become (0 without it)."""
    percentile = None if price is None else _percentiles(price)
    base = _worth(candidates, margin, k, 0.0, percentile)
    rows = [(power, *_worth(candidates, margin, k, power, percentile)) for power in powers]
    return tuple(
        FrontierPoint(power, _share(relevance, base[0]), revenue, _share(revenue, base[1]), place - base[2])
        for power, relevance, revenue, place in rows
    )


def choose_power(
    points: Sequence[FrontierPoint], relevance: float = LEAST_RELEVANCE, price_shift: float = MOST_DEARER
) -> float:
    """The largest b that keeps this share of relevance and makes lists at most this much dearer; 0 if none does."""
    fit = [p.power for p in points if p.relevance >= relevance and p.price_shift <= price_shift]
    return max(fit, default=0.0)


def discounts(k: int) -> F64:
    """[k] what a place is worth: 1 / log2(1 + rank)."""
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def take(candidates: Candidates, scores: F64, k: int) -> I32:
    """Products [n, k] of the best scores [n, c], padded with -1."""
    return _products(candidates, top_k(scores.astype(np.float32), k)[0])


def _products(candidates: Candidates, columns: I32) -> I32:
    chosen = np.take_along_axis(candidates.products, np.maximum(columns, 0).astype(np.int64), axis=1)
    return np.where(columns >= 0, chosen, -1).astype(np.int32)


def _worth(
    candidates: Candidates, margin: F64, k: int, power: float, percentile: F64 | None
) -> tuple[float, float, float]:
    """(expected purchases, expected margin, mean price percentile) of the lists at a power, per query."""
    columns, _ = top_k(weigh(candidates, margin, power).astype(np.float32), k)
    shown, at = columns >= 0, np.maximum(columns, 0).astype(np.int64)
    chance = np.where(shown, np.take_along_axis(candidates.chance, at, axis=1), 0.0) * discounts(k)
    money = chance * np.take_along_axis(candidates.of(margin), at, axis=1)
    dear = 0.0
    if percentile is not None and shown.any():
        dear = float(np.take_along_axis(candidates.of(percentile), at, axis=1)[shown].mean())
    return float(chance.sum(axis=1).mean()), float(money.sum(axis=1).mean()), dear


def _percentiles(price: F64) -> F64:
    """Share of products at most as dear, [m]; ties share."""
    return np.searchsorted(np.sort(price), price, side="right") / len(price)


def _share(value: float, base: float) -> float:
    return value / base if base else float("nan")
