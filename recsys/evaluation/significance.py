"""How sure a difference is: customer bootstrap, paired differences, Holm's correction, power.

All draws come from one generator per call, so the same values and seed give the same interval. NaN is "n/a": such
customers are left out, never counted as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from recsys.contract import F64, I32, I64

BLOCK = 2**20  # resampled units held at a time (16 MiB)
COMMON = 32  # units that share a value from which on drawing their number is cheaper than drawing each

Units = NDArray[np.inexact[Any]]  # a sum, or sum + 1j x size where sizes differ


@dataclass(frozen=True)
class Interval:
    """A mean over n units and its interval; all NaN when n is 0."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b over the n customers both have, its interval and the two-sided p of "no difference"."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def customer_interval(values: F64, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of the mean of values [n], customers drawn with replacement.

    Source: Efron and Tibshirani (1993), chapter 13.
    """
    known = values[~np.isnan(values)]
    means = _resample(known, np.ones(len(known)), draws, seed)
    return _interval(known, means, level)


def cluster_interval(
    values: F64, cluster: I32 | I64, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Interval:
    """The same for values [n] that are not independent: whole clusters are drawn (baskets of one customer)."""
    known = ~np.isnan(values)
    _, row = np.unique(cluster[known], return_inverse=True)
    sums = np.bincount(row, weights=values[known]).astype(np.float64)
    sizes = np.bincount(row).astype(np.float64)
    return _interval(values[known], _resample(sums, sizes, draws, seed), level)


def paired_difference(a: F64, b: F64, *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> PairedDifference:
    """Compare a with b [n], the same customers in the same order, on those where neither is NaN.

    p = 2 x the smaller share of bootstrap means at or beyond 0, at least 2 / (draws + 1). Raises ValueError when the
    lengths differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"b: got {b.shape} values, wanted {a.shape}, one per customer of a")
    difference = a - b
    known = difference[~np.isnan(difference)]
    means = _resample(known, np.ones(len(known)), draws, seed)
    around = _interval(known, means, level)
    beyond = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    p = min(1.0, 2 * (1 + beyond) / (len(means) + 1)) if around.n else float("nan")
    return PairedDifference(around.mean, around.low, around.high, p, around.n)


def holm(p: F64) -> F64:
    """Holm-adjusted p values, in the order given; NaN stays NaN and is no test. Source: Holm (1979)."""
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return adjusted


def power(sd: float, n: int, effect: float, alpha: float = 0.05) -> float:
    """Probability that a two-sided test of a mean over n paired differences with this sd sees the effect."""
    if n == 0 or sd == 0:
        return float("nan") if n == 0 else float(effect != 0)
    shift, bar = abs(effect) * np.sqrt(n) / sd, ndtri(1 - alpha / 2)
    return float(ndtr(shift - bar) + ndtr(-shift - bar))


def detectable_effect(sd: float, n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest effect that a two-sided test over n paired differences sees with this power; NaN when n is 0."""
    if n == 0:
        return float("nan")
    return float((ndtri(1 - alpha / 2) + ndtri(power)) * sd / np.sqrt(n))


def _interval(values: F64, means: F64, level: float) -> Interval:
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def _resample(sums: F64, sizes: F64, draws: int, seed: int) -> F64:
    """Bootstrap means float64[draws] of units with these sums and sizes: sum of sums / sum of sizes.

    Equal units are interchangeable. So for the values many units share (hits, zero gains) it is enough to draw how
    often each comes; only the rest is drawn one by one. The distribution is the same.
    """
    if not len(sums):
        return np.empty(0)
    rng = np.random.default_rng(seed)
    equal = sizes.min() == sizes.max()
    units, counts = np.unique(sums if equal else sums + 1j * sizes, return_counts=True)
    common = counts >= COMMON
    rest = np.repeat(units[~common], counts[~common])
    chances = np.append(counts[common], len(rest)) / len(sums)
    step = max(1, BLOCK // (len(chances) + len(rest)))
    totals = np.empty(draws, dtype=units.dtype)
    for first in range(0, draws, step):
        times = rng.multinomial(len(sums), chances, size=min(step, draws - first))
        totals[first : first + step] = times[:, :-1] @ units[common] + _sums_of_draws(rest, times[:, -1], rng)
    return np.asarray(totals / sizes.sum() if equal else totals.real / totals.imag)


def _sums_of_draws(units: Units, times: I64, rng: np.random.Generator) -> Units:
    """For each count in `times`, the sum of so many units drawn with replacement."""
    sums = np.zeros(len(times), dtype=units.dtype)
    some = times > 0
    if some.any():
        drawn = units[rng.integers(len(units), size=times.sum(), dtype=np.int32)]
        sums[some] = np.add.reduceat(drawn, np.cumsum(times[some]) - times[some])
    return sums
