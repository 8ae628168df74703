"""The statistics of an A/B test: what an arm measured, how sure a difference is, and whether the split was fair.

The visitor is the unit. n = visitors of an arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recsys.contract import F64, I32
from recsys.errors import DataError

SRM_ALPHA = 0.001
BURN_IN = 100  # visitors per arm before a sequence may speak: its guarantee is asymptotic


@dataclass(frozen=True)
class Measure:
    """An arm's mean (or ratio of means), the variance of that figure, and visitors."""

    value: float
    variance: float
    n: int


@dataclass(frozen=True)
class Difference:
    """Treatment - control with its interval and two-sided p; lift is relative to the control, None where that is 0."""

    value: float
    low: float
    high: float
    p: float
    lift: float | None
    lift_low: float | None
    lift_high: float | None


def mean(values: F64) -> Measure:
    """Mean of one value per visitor [n]; the variance is NaN below two visitors."""
    n = len(values)
    return Measure(float(values.mean()), float(values.var(ddof=1) / n) if n > 1 else float("nan"), n)


def ratio(top: F64, bottom: F64) -> Measure:
    """sum(top) / sum(bottom) of visitors [n], by the delta method: items per order, clicks per exposure.

    var = (var(top) - 2 R cov + R^2 var(bottom)) / (n mean(bottom)^2) (Deng, Knoblich & Lu 2018). NaN without bottom.
    """
    if bottom.sum() <= 0 or len(top) < 2:
        return Measure(float("nan"), float("nan"), len(top))
    value = float(top.sum() / bottom.sum())
    spread = float((top - value * bottom).var(ddof=1))
    return Measure(value, spread / len(top) / float(bottom.mean()) ** 2, len(top))


def compare(control: Measure, treatment: Measure, level: float = 0.95) -> Difference:
    """Welch's interval and p of treatment - control; of the lift by the delta method."""
    value, variance = treatment.value - control.value, treatment.variance + control.variance
    if not variance > 0:  # no spread, or nothing to tell it from
        p = 1.0 if value == 0 else float("nan")
        return Difference(value, value, value, p, *_lift(control, treatment, 0.0))
    pieces = [m.variance**2 / max(m.n - 1, 1) for m in (control, treatment)]
    freedom = variance**2 / sum(pieces)
    bar, se = float(stats.t.ppf(0.5 + level / 2, freedom)), variance**0.5
    p = float(2 * stats.t.sf(abs(value) / se, freedom))
    return Difference(value, value - bar * se, value + bar * se, p, *_lift(control, treatment, bar))


def compare_conversion(control: tuple[int, int], treatment: tuple[int, int], level: float = 0.95) -> Difference:
    """Difference of two (converted, visitors), Agresti-Caffo interval and test: right also for few conversions."""
    from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

    (x0, n0), (x1, n1) = control, treatment
    low, high = confint_proportions_2indep(x1, n1, x0, n0, method="agresti-caffo", compare="diff", alpha=1 - level)
    with np.errstate(divide="ignore", invalid="ignore"):  # it also works out ratios, which nobody asked for
        p = float(test_proportions_2indep(x1, n1, x0, n0, method="agresti-caffo", compare="diff").pvalue)
    rates = [Measure(x / n, x / n * (1 - x / n) / n, n) for x, n in (control, treatment)]
    bar = float(stats.norm.ppf(0.5 + level / 2))
    return Difference(rates[1].value - rates[0].value, float(low), float(high), p, *_lift(rates[0], rates[1], bar))


def _lift(control: Measure, treatment: Measure, bar: float) -> tuple[float | None, float | None, float | None]:
    if not control.value:
        return None, None, None
    ratio_, base = treatment.value / control.value, control.value
    half = bar * ((treatment.variance + ratio_**2 * control.variance) ** 0.5) / abs(base)
    return ratio_ - 1, ratio_ - 1 - half, ratio_ - 1 + half


def adjust(values: F64, before: F64, arm: I32) -> tuple[F64, float]:
    """CUPED: values [n] less what the same visitors' past explains, and the share of variance that removed.

    theta = cov(Y, X) / var(X) within arms, pooled; Y - theta (X - mean X) has variance (1 - rho^2) var(Y) and, X being
    older than the test, the same difference between arms (Deng et al. 2013).
    """
    y, x = values.astype(np.float64).copy(), before.astype(np.float64).copy()
    for row in np.unique(arm):
        own = arm == row
        y[own] -= y[own].mean()
        x[own] -= x[own].mean()
    if not x.any() or not y.any():
        return values, 0.0
    theta = float(y @ x / (x @ x))
    return values - theta * (before - before.mean()), float((y @ x) ** 2 / (x @ x) / (y @ y))


def winsorise(values: F64, quantile: float = 0.99) -> tuple[F64, float]:
    """Values [n] capped at the quantile of those above 0, over all arms together, and the cap.

    One order of a thousand mugs decides a raw mean; the cap is the same for every arm, so it favours none.
    """
    positive = values[values > 0]
    if not len(positive):
        return values, 0.0
    cap = float(np.quantile(positive, quantile))
    return np.minimum(values, cap), cap


def sample_ratio_p(visitors: Sequence[int], shares: Sequence[float]) -> float:
    """p of "visitors were split by these shares" (chi-square). Below SRM_ALPHA nothing of the test can be read.

    Raises DataError for a share of 0 that has visitors.
    """
    total = sum(visitors)
    if any(n and not share for n, share in zip(visitors, shares, strict=True)):
        raise DataError("The split", got="visitors in an arm whose share is 0", wanted="shares that were in force")
    pairs = [(n, share * total) for n, share in zip(visitors, shares, strict=True) if share > 0]
    return float(stats.chisquare([n for n, _ in pairs], [e for _, e in pairs]).pvalue)
