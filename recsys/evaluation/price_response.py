"""The price-response track: does a model say which way demand moves when a price moves, and by how much?

Predictive fit does not answer that: least squares on endogenous prices fits well and is wrong here. Where the truth is
known (a simulated marketplace's experiments) events are compared with it; on real data with what happened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, Flags

LEAST_CHANGE = 0.10
SIGN_WANTED, SIZE_WANTED = 0.95, 0.20


@dataclass(frozen=True)
class PriceResponse:
    """Predicted against true log change of demand over e price changes."""

    events: int
    sign_right: float  # share of events
    size: float  # mean over events of |predicted| / |true|
    slope: float  # least squares of predicted on true, through the origin
    answer: float = np.nan  # least squares of true on predicted: 1 = sizes are right, even where the truth is noisy

    @property
    def passed(self) -> bool:
        """Sign right in 95 % of the events, size within 20 % of the truth on average."""
        return self.sign_right >= SIGN_WANTED and abs(self.size - 1) <= SIZE_WANTED


@dataclass(frozen=True)
class Changes:
    """Price changes of an alternative between consecutive periods of a segment: rows of the panel, [e] each."""

    before: I32
    after: I32


def price_response(predicted: F64, true: F64) -> PriceResponse:
    """Compare log responses, [e]; events whose truth is no number or exactly 0 are left out."""
    kept = np.isfinite(predicted) & np.isfinite(true) & (true != 0)
    p, t = predicted[kept], true[kept]
    if not len(p):
        return PriceResponse(0, np.nan, np.nan, np.nan)
    return PriceResponse(
        events=len(p),
        sign_right=float((np.sign(p) == np.sign(t)).mean()),
        size=float((np.abs(p) / np.abs(t)).mean()),
        slope=float(p @ t / (t @ t)),
        answer=float(p @ t / (p @ p)) if p.any() else np.nan,
    )


def price_changes(
    price: F64, alternative: I32, segment: I32, period: I32, judged: Flags, least: float = LEAST_CHANGE
) -> Changes:
    """Consecutive periods between which a price moved by more than `least`; the later row must be `judged`."""
    order = np.lexsort((period, alternative, segment))
    before, after = order[:-1], order[1:]
    same = (alternative[before] == alternative[after]) & (segment[before] == segment[after])
    next_period = period[after] == period[before] + 1
    moved = np.abs(price[after] / price[before] - 1) > least
    found = same & next_period & moved & judged[after]
    return Changes(before[found].astype(np.int32), after[found].astype(np.int32))
