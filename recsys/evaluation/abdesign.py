"""What an A/B test was meant to be, and what came of it per visitor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from recsys.contract import F64, I32, Flags
from recsys.errors import DataError, UsageError

QUANTITIES = ("exposures", "orders", "items", "revenue", "outcome")
# name -> (kind, quantity, denominator): what a log with these quantities can be asked
METRICS: Mapping[str, tuple[str, str, str]] = {
    "conversion": ("share", "orders", ""),  # visitors with at least one order
    "response": ("share", "outcome", ""),  # visitors with any outcome
    "orders_per_visitor": ("mean", "orders", ""),
    "revenue_per_visitor": ("winsorised", "revenue", ""),
    "outcome_per_visitor": ("mean", "outcome", ""),
    "items_per_order": ("ratio", "items", "orders"),  # basket size
    "revenue_per_order": ("ratio", "revenue", "orders"),
    "outcome_per_exposure": ("ratio", "outcome", "exposures"),
}


@dataclass(frozen=True)
class Design:
    """What was decided before the test began."""

    arms: tuple[str, ...]  # the first is the control
    shares: tuple[float, ...]
    metric: str = ""  # the one that decides; "" = conversion, or response where there are no orders
    planned: int = 0  # visitors per arm; until then only the confidence sequence decides. 0 = monitoring
    alpha: float = 0.05
    winsorise: float = 0.99

    @property
    def level(self) -> float:
        """Of the intervals of the differences: Bonferroni over the arms (the p values are Holm's)."""
        return 1 - self.alpha / (len(self.arms) - 1)

    def __post_init__(self) -> None:
        if len(self.arms) < 2 or len(set(self.arms)) != len(self.arms):
            raise UsageError("A/B test: arms", got=list(self.arms), wanted="a control and another arm, each named once")
        sound = len(self.shares) == len(self.arms) and min(self.shares) > 0 and abs(sum(self.shares) - 1) < 1e-6
        if not sound:
            raise UsageError("A/B test: shares", got=list(self.shares), wanted="one share > 0 per arm, 1 in all")
        if self.metric and self.metric not in METRICS:
            raise UsageError("A/B test: metric", got=self.metric, wanted=" or ".join(METRICS))
        if not 0 < self.alpha < 1 or not 0 < self.winsorise <= 1:
            raise UsageError("A/B test", got=f"alpha {self.alpha}, winsorise {self.winsorise}", wanted="shares of 1")


@dataclass(frozen=True)
class Visitors:
    """Totals per visitor over the test; `before` holds the same quantities from before it (for CUPED). All [n]."""

    arm: I32  # row of the design's arms
    totals: Mapping[str, F64]
    before: Mapping[str, F64] = field(default_factory=dict)
    mixed: int = 0  # visitors who met several arms and were left out
    days: int | None = None

    def __post_init__(self) -> None:
        for name, values in itertools.chain(self.totals.items(), self.before.items()):
            wrong: Flags = ~(np.isfinite(values) & (values >= 0))
            if wrong.any():
                got = f"{values[wrong][0]} ({int(wrong.sum())} visitors)"
                raise DataError(f"A/B log: {name}", got=got, wanted="numbers >= 0", cure=_NEGATIVE)


_NEGATIVE = "Net returns into the order they belong to; a visitor's total below 0 is not revenue."


def answerable(metric: str, visitors: Visitors) -> bool:
    """Whether the log holds what a metric needs."""
    return all(not name or name in visitors.totals for name in METRICS[metric][1:])
