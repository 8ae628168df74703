"""A metric by segment: of customers (who asks) and of products (what was held out), each with n and an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from recsys.contract import F64, I32, I64, Flags
from recsys.evaluation.metrics import RANK_METRICS


@dataclass(frozen=True)
class SegmentMean:
    """A segment's mean over its n queries and its interval; None where nobody can be told from nobody."""

    kind: str  # market | customer | seller | product
    name: str
    n: int
    mean: float | None
    low: float | None
    high: float | None


def of_queries(kind: str, values: F64, groups: Mapping[str, Flags], cluster: I64, level: float) -> list[SegmentMean]:
    """Means of values [n] (NaN = n/a) over the flagged queries of each group; queries of a cluster are one draw."""
    return [_mean(kind, name, np.where(flags, values, np.nan), cluster, level) for name, flags in groups.items()]


def of_products(
    kind: str, metric: str, held_out: tuple[I32, I64], groups: Mapping[str, Flags], cluster: I64, level: float
) -> list[SegmentMean]:
    """A rank metric (`ndcg_at_10`) of each group's held-out products alone.

    held_out: ranks [nnz] in the whole catalogue, 0 = miss, and start [n+1]; groups flag [nnz]. A query without a
    held-out product of the group is n/a there.
    """
    ranks, start = held_out
    name, _, k = metric.rpartition("_at_")
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    found = []
    for group, flags in groups.items():
        counts = np.bincount(owner[flags], minlength=len(start) - 1)
        begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        found.append(_mean(kind, group, RANK_METRICS[name](ranks[flags], begin, int(k)), cluster, level))
    return found


def _mean(kind: str, name: str, values: F64, cluster: I64, level: float) -> SegmentMean:
    """Mean with its normal interval, clusters being the sampling units."""
    known = ~np.isnan(values)
    n = int(known.sum())
    if n == 0:
        return SegmentMean(kind, name, 0, None, None, None)
    mean = float(values[known].mean())
    owner = np.unique(cluster[known], return_inverse=True)[1]
    units = int(owner.max()) + 1
    if units < 2:
        return SegmentMean(kind, name, n, mean, None, None)
    residual = np.bincount(owner, values[known] - mean)
    error = float(np.sqrt(units / (units - 1) * np.sum(residual**2)) / n)
    half = NormalDist().inv_cdf(0.5 + level / 2) * error
    return SegmentMean(kind, name, n, mean, mean - half, mean + half)
