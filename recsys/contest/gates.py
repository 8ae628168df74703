"""Who may be champion at all: each contender's backtest against the guardrails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.config import Contest
from recsys.contest.challenge import paired
from recsys.contract import F64

COVERAGE_SHARE = 0.9  # of the champion's catalogue coverage
COLD_TOLERANCE = 0.02
UNREADY_TOLERANCE = 0.05  # more missing or short lists than the champion's
CALIBRATION_LIMIT = 0.05
LEAST_TRAINING = 60.0  # seconds that a champion's fit counts as at least: next to popularity everything is slow
SELLER_TOLERANCE = 0.1  # of the sellers, more below their floor than the champion leaves there


@dataclass(frozen=True)
class Candidate:
    """A contender as the backtest left it. values and groups are aligned over candidates, NaN = n/a."""

    name: str
    family: str
    status: str
    reason: str = ""
    values: F64 | None = None  # [n] the primary metric per query
    cold: F64 | None = None  # [n] bool as float: which queries are of cold customers
    coverage: float | None = None
    unready: float = 0.0  # share of lists that are missing or not full
    training_seconds: float | None = None  # CPU seconds of the fit
    calibration_error: float | None = None
    sellers: Mapping[str, Any] = field(default_factory=dict)  # sellers, below_floor: who gets too little attention
    report: Mapping[str, Any] = field(default_factory=dict)


def gates_of(candidate: Candidate, champion: Candidate | None, contest: Contest) -> dict[str, Any]:
    """Each gate's finding in words; `failed` lists those that bar the contender."""
    failed: list[str] = []
    values = candidate.values
    if candidate.status != "ok":
        failed.append(f"{candidate.status}: {candidate.reason}")
    elif values is None or not np.isfinite(values[~np.isnan(values)]).all() or np.isnan(values).all():
        failed.append("no finite scores on the held-out days")
    if not failed and champion is not None and champion.status == "ok" and champion.name != candidate.name:
        failed += _worse_coverage(candidate, champion) + _worse_for_cold(candidate, champion)
        failed += _worse_lists(candidate, champion) + _worse_for_sellers(candidate, champion)
        failed += _slower(candidate, champion, contest.most_training) + _worse_calibrated(candidate, champion)
    told = {name: getattr(candidate, name) for name in ("coverage", "unready", "training_seconds", "calibration_error")}
    return {"failed": failed, **told, "sellers": dict(candidate.sellers)}


def _worse_coverage(candidate: Candidate, champion: Candidate) -> list[str]:
    if candidate.coverage is None or champion.coverage is None:
        return []
    floor = COVERAGE_SHARE * champion.coverage
    if candidate.coverage >= floor:
        return []
    return [f"shows {candidate.coverage:.1%} of the catalogue, less than {floor:.1%} (90 % of the champion's)"]


def _worse_for_cold(candidate: Candidate, champion: Candidate) -> list[str]:
    """Vetoes only when the data show it: the whole interval lies below -2 % of the champion's value."""
    if candidate.values is None or champion.values is None or candidate.cold is None:
        return []
    cold = candidate.cold > 0
    if cold.sum() < 30:
        return []
    rows = np.arange(int(cold.sum()), dtype=np.int64)
    test = paired(
        candidate.name, candidate.values[cold], champion.name, champion.values[cold], rows, minimum=0.0, level=0.95
    )
    base = float(np.nanmean(champion.values[cold]))
    if test.high >= -COLD_TOLERANCE * base:
        return []
    return [f"serves new customers worse ({test.difference:+.4f}, at most {test.high:+.4f})"]


def _worse_lists(candidate: Candidate, champion: Candidate) -> list[str]:
    if candidate.unready <= champion.unready + UNREADY_TOLERANCE:
        return []
    return [f"leaves {candidate.unready:.1%} of the lists short or missing, the champion {champion.unready:.1%}"]


def _slower(candidate: Candidate, champion: Candidate, most: float) -> list[str]:
    if candidate.training_seconds is None or champion.training_seconds is None:
        return []
    ours, theirs = candidate.training_seconds, champion.training_seconds
    if ours <= most * max(theirs, LEAST_TRAINING):
        return []
    return [f"trains for {ours:,.0f} CPU seconds, the champion for {theirs:,.0f} (most_training = {most:g})"]


def _worse_calibrated(candidate: Candidate, champion: Candidate) -> list[str]:
    """Only beyond the limit, and only where the champion is better."""
    if candidate.calibration_error is None or champion.calibration_error is None:
        return []
    ours, theirs = candidate.calibration_error, champion.calibration_error
    if ours <= max(CALIBRATION_LIMIT, theirs):
        return []
    return [f"is off by {ours:.1%} in how often its places are bought (ECE), the champion by {theirs:.1%}"]


def _worse_for_sellers(candidate: Candidate, champion: Candidate) -> list[str]:
    """Only where both were shown on sellers: a shop of one has none."""
    if not {"below_floor"} <= candidate.sellers.keys() & champion.sellers.keys():
        return []
    ours, theirs, n = candidate.sellers["below_floor"], champion.sellers["below_floor"], candidate.sellers["sellers"]
    if ours <= theirs + SELLER_TOLERANCE * n:
        return []
    return [f"leaves {ours} of {n} sellers less than a tenth of their catalogue's attention, the champion {theirs}"]
