"""A metric by segment: of customers (who asks) and of products (what was held out), each with n and an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, I64, Flags
from recsys.evaluation.metrics import RANK_METRICS
from recsys.evaluation.significance import cluster_interval


@dataclass(frozen=True)
class SegmentMean:
    """A segment's mean over its n queries and its interval; None where fewer than two customers were asked."""

    kind: str  # market | customer | seller | product
    name: str
    n: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Sampling:
    """Who is drawn for an interval: customers, each with all of its queries."""

    cluster: I64  # [n] queries of a cluster are one draw
    level: float = 0.95
    draws: int = 500
    seed: int = 0


def of_queries(kind: str, values: F64, groups: Mapping[str, Flags], sampling: Sampling) -> list[SegmentMean]:
    """Means of values [n] (NaN = n/a) over the flagged queries of each group."""
    return [_mean(kind, name, np.where(flags, values, np.nan), sampling) for name, flags in groups.items()]


def of_products(
    kind: str, metric: str, held_out: tuple[I32, I64], groups: Mapping[str, Flags], sampling: Sampling
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
        found.append(_mean(kind, group, RANK_METRICS[name](ranks[flags], begin, int(k)), sampling))
    return found


def _mean(kind: str, name: str, values: F64, sampling: Sampling) -> SegmentMean:
    """Mean with its bootstrap interval, clusters being drawn with replacement."""
    known = ~np.isnan(values)
    n = int(known.sum())
    if n == 0:
        return SegmentMean(kind, name, 0, None, None, None)
    if len(np.unique(sampling.cluster[known])) < 2:
        return SegmentMean(kind, name, n, float(values[known].mean()), None, None)
    found = cluster_interval(values, sampling.cluster, sampling.level, sampling.draws, sampling.seed)
    return SegmentMean(kind, name, n, found.mean, found.low, found.high)
