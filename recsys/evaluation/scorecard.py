"""One contender's metrics on one track: a value per query, an interval per metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from recsys.contract import F64, I32, I64, Flags, Rows, Truth
from recsys.evaluation.calibration import place_error
from recsys.evaluation.lists import (
    bought,
    coverage,
    exposure,
    gini,
    intra_list_diversity,
    list_quality,
    novelty,
    serendipity,
)
from recsys.evaluation.metrics import RANK_METRICS, auc, revenue_at
from recsys.evaluation.significance import Interval, cluster_interval

SHOWN = ("ndcg", "recall", "hit", "map", "mrr", "precision")


class Answered(Protocol):
    """What a scorer answered to n queries."""

    @property
    def ranks(self) -> I32: ...  # [nnz of truth] 1-based, 0 = miss

    @property
    def pool(self) -> I32: ...  # [n] products ranked, the held-out ones included

    @property
    def lists(self) -> I32: ...  # [n, k] padded with -1


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


def list_numbers(lists: I32, share: F64, at: Sequence[int], features: Rows | None = None) -> dict[str, float]:
    """What the lists are like at each k: coverage, Gini coefficient of the products' exposure, novelty and, given
    features csr [m, columns], diversity; and the share of lists that are missing, not full or repeat a product.

    share [m]: of customers who bought the product. A number that no list gives is left out.
    """
    quality, n = list_quality(lists), max(len(lists), 1)
    numbers: dict[str, float | None] = {f"coverage_at_{k}": coverage(lists[:, :k], len(share)) for k in at}
    numbers |= {f"gini_at_{k}": gini(exposure(lists[:, :k], len(share))) for k in at}
    numbers |= {f"novelty_at_{k}": _mean(novelty(lists[:, :k], share)) for k in at}
    if features is not None and features.shape[1]:
        numbers |= {f"diversity_at_{k}": _mean(intra_list_diversity(lists[:, :k], features)) for k in at}
    wrong = {"missing_lists": quality.missing, "short_lists": quality.short, "repeated_lists": quality.repeated}
    return _known(numbers) | {name: count / n for name, count in wrong.items()}


def truth_numbers(answers: Answered, truth: Truth, share: F64, at: Sequence[int]) -> dict[str, float]:
    """Means over the queries with truth: AUC, and serendipity at each k; the calibration error of the places of all
    lists (`calibration.place_error`). What no query gives is left out.

    share [m]: of customers who had bought the product, which makes the popularity list that serendipity is against.
    """
    found = {"auc": _mean(auc(answers.ranks, truth.start, answers.pool))}
    for k in at:
        found[f"serendipity_at_{k}"] = _mean(serendipity(answers.lists[:, :k], truth.start, truth.product, share))
    hits = bought(answers.lists, truth.start, truth.product, len(share))
    return _known(found | {"calibration_error": place_error(hits, answers.lists >= 0)})


def _known(numbers: Mapping[str, float | None]) -> dict[str, float]:
    return {name: number for name, number in numbers.items() if number is not None and np.isfinite(number)}


def _mean(values: F64) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
