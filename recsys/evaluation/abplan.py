"""How many visitors an A/B test needs, how long that takes, and what it could see earlier."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from recsys.errors import UsageError

RAMP = (0.05, 0.25)  # share of the traffic on the first days, to catch a broken arm before everybody meets it
CURVE = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)  # multiples of the planned sample in the MDE curve
Metric = Literal["conversion", "mean"]


@dataclass(frozen=True)
class Question:
    """What the test must be able to see. Alternatives are two-sided, arms share the traffic evenly."""

    metric: Metric
    base: float  # conversion of the control in (0, 1), or its mean
    difference: float  # smallest change worth seeing, in units of `base`
    sd: float = 0.0  # standard deviation between visitors (orders, for basket size); not used by conversion
    arms: int = 2  # with the control
    alpha: float = 0.05  # chance of any false winner, over all comparisons with the control (Bonferroni)
    power: float = 0.80  # for each comparison


@dataclass(frozen=True)
class Detectable:
    """A point of the MDE curve: with this many visitors per arm this difference is seen with the planned power."""

    per_arm: int
    days: int | None
    difference: float
    lift: float | None  # of the base; None where the base is 0


@dataclass(frozen=True)
class Plan:
    """Sample size per arm and in all, days until it is there, and what other sizes could see."""

    question: Question
    per_arm: int
    total: int
    alpha_each: float  # per comparison with the control
    days: int | None  # whole weeks, ramp included; None without traffic
    ramp: tuple[float, ...]  # share of the traffic on day 1, 2, ..; everything after that
    curve: tuple[Detectable, ...]


def plan(question: Question, daily: float | None = None) -> Plan:
    """Plan a test; `daily` is the number of new visitors (or orders) a day.

    n per arm = [z_(1-a/2) sqrt(2 p q) + z_power sqrt(p1 q1 + p2 q2)]^2 / d^2 for conversion, with p the mean of p1 and
    p2, and 2 (z_(1-a/2) + z_power)^2 sd^2 / d^2 for means. Raises UsageError for numbers that make no sense.
    """
    _check(question, daily)
    each = question.alpha / (question.arms - 1)
    size = _size_of(question, each)
    per_arm = math.ceil(size(abs(question.difference)))
    curve = []
    for n in sorted({max(2, math.ceil(per_arm * times)) for times in CURVE}):
        effect = _detectable(size, n, question)
        lift = effect / abs(question.base) if question.base else None
        curve.append(Detectable(n, days_for(n * question.arms, daily), effect, lift))
    total = per_arm * question.arms
    return Plan(question, per_arm, total, each, days_for(total, daily), RAMP, tuple(curve))


def days_for(total: int, daily: float | None) -> int | None:
    """Days until `total` visitors have come, in whole weeks so that weekdays count alike; None without traffic."""
    if daily is None:
        return None
    ramped = len(RAMP) + (total - daily * sum(RAMP)) / daily
    return 7 * max(1, math.ceil(ramped / 7))


def _size_of(question: Question, alpha: float) -> Callable[[float], float]:
    """Visitors per arm as a function of the absolute difference."""
    from statsmodels.stats.power import normal_sample_size_one_tail
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    def conversion(d: float) -> float:
        found = samplesize_proportions_2indep_onetail(
            math.copysign(d, question.difference),
            question.base,
            question.power,
            ratio=1,
            alpha=alpha,
            value=0,
            alternative="two-sided",
        )
        return float(found)

    def mean(d: float) -> float:
        return float(normal_sample_size_one_tail(d, question.power, alpha / 2, std_null=question.sd * math.sqrt(2)))

    return conversion if question.metric == "conversion" else mean


def _detectable(size: Callable[[float], float], n: int, question: Question) -> float:
    """Smallest difference seen with n visitors per arm: bisection, because sample sizes fall as differences grow."""
    room = question.base if question.difference < 0 else 1 - question.base
    low = abs(question.difference) * 1e-3
    high = room * (1 - 1e-9) if question.metric == "conversion" else abs(question.difference) * 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if size(middle) > n else (low, middle)
    return high


def _check(question: Question, daily: float | None) -> None:
    rate = question.metric == "conversion"
    checks = [
        (not rate or 0 < question.base < 1, "base", question.base, "a conversion between 0 and 1 (3 % is 0.03)"),
        (question.difference != 0, "difference", question.difference, "a change other than 0"),
        (not rate or 0 < question.base + question.difference < 1, "difference", question.difference,
         "a conversion between 0 and 1 after the change"),
        (rate or question.sd > 0, "sd", question.sd, "a standard deviation > 0"),
        (question.arms >= 2, "arms", question.arms, "at least 2, the control among them"),
        (0 < question.alpha < 1, "alpha", question.alpha, "a share between 0 and 1"),
        (0 < question.power < 1, "power", question.power, "a share between 0 and 1"),
        (daily is None or daily > 0, "daily", daily, "a number of visitors > 0"),
    ]  # fmt: skip
    for holds, name, got, wanted in checks:
        if not holds:
            raise UsageError(f"A/B plan: {name}", got=got, wanted=wanted)
