"""Ranking metrics of one customer at a time, from the ranks of held-out products; money; calibration.

Every ranking metric takes ranks int32[nnz] (1 = best, 0 = a miss), start int64[n+1] (customer i owns
ranks[start[i]:start[i+1]]) and k, and returns float64[n]: NaN where a customer has no truth, never 0 for it. Here R is
the number of a customer's held-out products, misses included, and r runs over their ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.contract import F64, I32, I64, Flags

Numbers = NDArray[np.floating[Any]]
RankMetric = Callable[[I32, I64, int], F64]
Denominator = Literal["min", "all"]


def hit(ranks: I32, start: I64, k: int) -> F64:
    """1 where any held-out product is in the top k, else 0."""
    return np.minimum(_total(_found(ranks, k), start), 1)


def recall(ranks: I32, start: I64, k: int) -> F64:
    """Share of the held-out products in the top k: |{r <= k}| / R."""
    return _total(_found(ranks, k), start) / np.diff(start)


def precision(ranks: I32, start: I64, k: int) -> F64:
    """Share of the k places that hold a held-out product: |{r <= k}| / k (not / min(R, k))."""
    return _total(_found(ranks, k), start) / k


def ndcg(ranks: I32, start: I64, k: int) -> F64:
    """sum of 1 / log2(1 + r) over r <= k, divided by the same sum over 1..min(R, k).

    Source: Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, binary gains.
    """
    found = _found(ranks, k)
    gains = np.where(found, 1 / np.log2(1.0 + np.maximum(ranks, 1)), 0)
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(k) + 2.0))])
    return np.asarray(_total(gains, start) / ideal[np.minimum(np.diff(start), k)])


def mrr(ranks: I32, start: I64, k: int) -> F64:
    """1 / the best rank where that is <= k, else 0."""
    reciprocal = np.where(_found(ranks, k), 1 / np.maximum(ranks, 1.0), 0)
    best = np.where(np.diff(start) > 0, 0, np.nan)
    np.maximum.at(best, _owners(start), reciprocal)
    return best


def average_precision(ranks: I32, start: I64, k: int, denominator: Denominator = "min") -> F64:
    """sum over r <= k of (held-out products up to r) / r, divided by min(R, k) ("min") or by R ("all").

    "min" lets a perfect list reach 1 when R > k (implicit); "all" is the definition of RecTools and ranx.
    """
    found = _found(ranks, k)
    ordinal = _ordinals(np.where(found, ranks, np.iinfo(np.int32).max), start)
    size = np.diff(start)
    wanted = np.minimum(size, k) if denominator == "min" else size
    return _total(np.where(found, ordinal / np.maximum(ranks, 1), 0), start) / wanted


def auc(ranks: I32, start: I64, pool: I32) -> F64:
    """Probability that a held-out product ranks before another one of the customer's pool (Mann-Whitney).

    pool int32[n] counts the products ranked, held-out ones included (`ranking.ranks.ranks_and_pools`). A miss ranks
    behind everything. NaN without truth or where nothing else was ranked.
    """
    ranked = ranks > 0
    others = pool - np.nan_to_num(_total(ranked, start))
    ahead = ranks - _ordinals(np.where(ranked, ranks, np.iinfo(np.int32).max), start)
    lost = _total(np.where(ranked, ahead, others[_owners(start)]), start)
    pairs = np.diff(start) * others
    return 1 - lost / np.where(pairs > 0, pairs, np.nan)


RANK_METRICS: Mapping[str, RankMetric] = MappingProxyType(
    {"hit": hit, "recall": recall, "precision": precision, "ndcg": ndcg, "mrr": mrr, "map": average_precision}
)


def revenue_at(ranks: I32, start: I64, k: int, revenue: Numbers) -> F64:
    """Revenue of the held-out products in the top k; revenue [nnz] is what the customer really paid for each."""
    return _total(np.where(_found(ranks, k), revenue, 0), start)


def margin_at(ranks: I32, start: I64, k: int, margin: Numbers) -> F64:
    """Margin of the held-out products in the top k; margin [nnz] in money, may be negative."""
    return revenue_at(ranks, start, k, margin)


def expected_revenue(probabilities: Numbers, prices: Numbers) -> F64:
    """sum over places of P(buy) x price for lists [n, k], float64[n]; an empty place or unknown price (NaN) adds 0."""
    worth = np.asarray(probabilities, dtype=np.float64) * prices
    return np.asarray(np.where(np.isnan(worth), 0, worth).sum(axis=1))


def calibration_error(probabilities: Numbers, outcomes: Numbers | Flags, bins: int = 10) -> float:
    """Expected calibration error: sum over bins of (n_b / n) |mean probability - mean outcome|, equal-width bins.

    NaN without rows. Raises ValueError on a probability outside [0, 1] or NaN. Source: Naeini et al. (2015).
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError("probabilities: got values outside [0, 1] or NaN, wanted probabilities")
    if not len(p):
        return float("nan")
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(place, weights=p - y)).sum() / len(p))


def _found(ranks: I32, k: int) -> Flags:
    if k < 1:
        raise ValueError(f"k: got {k}, wanted at least 1")
    return (ranks > 0) & (ranks <= k)


def _owners(start: I64) -> I64:
    return np.repeat(np.arange(len(start) - 1), np.diff(start))


def _total(values: NDArray[Any], start: I64) -> F64:
    """Sum of each customer's values, NaN without any."""
    total = np.bincount(_owners(start), weights=values, minlength=len(start) - 1)
    return np.where(np.diff(start) > 0, total, np.nan)


def _ordinals(ranks: I32, start: I64) -> I64:
    """How many of a customer's ranks are at least as good as each one: 1 for the best, equals count together."""
    owners = _owners(start)
    keys = (owners << 32) + ranks
    return np.searchsorted(np.sort(keys), keys, side="right") - start[owners]
