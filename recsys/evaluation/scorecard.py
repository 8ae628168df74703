"""One contender's metrics on one track: a value per query, an interval per metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.contract import F64, I32, I64, Flags
from recsys.evaluation.lists import coverage, list_quality, novelty
from recsys.evaluation.metrics import RANK_METRICS, revenue_at
from recsys.evaluation.significance import Interval, cluster_interval

SHOWN = ("ndcg", "recall", "hit", "map", "mrr", "precision")


@dataclass(frozen=True)
class Scorecard:
    """Values float64[n] per metric (NaN = n/a), numbers for the whole, and which customer each query belongs to."""

    contender: str
    track: str
    values: dict[str, F64]
    whole: dict[str, float]
    cluster: I64  # [n] queries of one customer share a number
    groups: dict[str, Flags] = field(default_factory=dict)  # segments of queries: warm, cold, ...
    ranks: I32 = field(default_factory=lambda: np.zeros(0, dtype=np.int32))  # [nnz of truth] 1-based, 0 = miss
    exposed: F64 = field(default_factory=lambda: np.zeros(0))  # [m] attention each product got in the lists


def score(
    ranks: I32, start: I64, lists: I32, at: Sequence[int], revenue: F64 | None = None
) -> tuple[dict[str, F64], dict[str, float]]:
    """Values per query and numbers for the whole from ranks int32[nnz] and lists int32[n, k]."""
    values = {
        f"{name}_at_{k}": RANK_METRICS[name](ranks, start, k) for name in SHOWN if name in RANK_METRICS for k in at
    }
    if revenue is not None:
        values |= {f"revenue_at_{k}": revenue_at(ranks, start, k, revenue) for k in at}
    return values, {f"listed_at_{k}": float((lists[:, :k] >= 0).mean()) if lists.size else 0.0 for k in at}


def intervals(card: Scorecard, level: float, draws: int, seed: int) -> dict[str, Interval]:
    """A bootstrap interval per metric, resampling customers."""
    return {name: cluster_interval(v, card.cluster, level, draws, seed) for name, v in card.values.items()}


def summary(card: Scorecard, level: float, draws: int, seed: int) -> dict[str, Any]:
    """What a leaderboard shows, JSON-ready; n/a is None."""
    metrics = {name: interval_json(i) for name, i in intervals(card, level, draws, seed).items()}
    groups = {
        group: {name: _mean(values[flags]) for name, values in card.values.items()}
        | {"n": int(np.sum(flags))}
        for group, flags in card.groups.items()
    }  # fmt: skip
    return {"track": card.track, "metrics": metrics, "whole": dict(card.whole), "groups": groups}


def interval_json(interval: Interval) -> dict[str, Any]:
    numbers = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {name: None if np.isnan(x) else float(x) for name, x in numbers.items()} | {"n": int(interval.n)}


def list_numbers(lists: I32, share: F64, at: Sequence[int]) -> dict[str, float]:
    """What the lists are like: coverage and novelty at each k, and the share of lists that are missing or not full.

    share [m]: of customers who bought the product. A number that no list gives is left out.
    """
    quality, n = list_quality(lists), max(len(lists), 1)
    numbers = {f"coverage_at_{k}": coverage(lists[:, :k], len(share)) for k in at}
    novel = {f"novelty_at_{k}": _mean(novelty(lists[:, :k], share)) for k in at}
    numbers |= {name: mean for name, mean in novel.items() if mean is not None}
    return numbers | {"missing_lists": quality.missing / n, "short_lists": quality.short / n}


def _mean(values: F64) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
