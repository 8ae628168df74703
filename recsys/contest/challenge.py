"""Challengers against the champion: paired differences on pooled daily evidence, Holm over them, and the power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from recsys.config import Contest
from recsys.contract import F64, I64
from recsys.evaluation.significance import holm, power

MOST_NIGHTS, ENOUGH = 90, 0.8


@dataclass(frozen=True)
class Pooled:
    """Daily evidence over disjoint days: one value per customer and night, the same rows for every contender."""

    values: Mapping[str, F64]  # primary metric
    revenue: Mapping[str, F64]
    cluster: I64  # the customer a row belongs to
    nights: tuple[str, ...]  # as-of days whose orders were judged


@dataclass(frozen=True)
class Test:
    """One challenger against the champion (or the bar)."""

    challenger: str
    against: str
    n: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    relative: float
    revenue_low: float | None = None


def paired(name: str, a: F64, against: str, b: F64, cluster: I64, *, minimum: float, level: float) -> Test:
    """Normal-theory test on customer means that mean(a - b) exceeds `minimum` x mean(b); p is one-sided, unadjusted."""
    both = ~np.isnan(a) & ~np.isnan(b)
    gain, owner = (a - b)[both], np.unique(cluster[both], return_inverse=True)[1]
    counts = np.bincount(owner)
    n = len(counts)
    base = float(b[both].mean()) if n else 0.0
    if n < 2:
        return Test(name, against, n, 0.0, -np.inf, np.inf, 1.0, 1.0, 0.0)
    mean = float(gain.mean())
    # the ratio of customer sums to customer counts, so that busy customers weigh as in the mean
    residual = np.bincount(owner, gain) - mean * counts
    error = float(np.sqrt(n / (n - 1) * np.sum(residual**2)) / counts.sum())
    z = NormalDist().inv_cdf(0.5 + level / 2)
    excess = mean - minimum * base
    p = 1.0 - NormalDist().cdf(excess / error) if error > 0 else float(excess <= 0)
    return Test(name, against, n, mean, mean - z * error, mean + z * error, p, p, mean / base if base > 0 else 0.0)


def adjust(tests: Sequence[Test]) -> list[Test]:
    """Holm over the tests."""
    if not tests:
        return []
    adjusted = holm(np.array([t.p for t in tests]))
    return [Test(**{**asdict(t), "p_holm": float(p)}) for t, p in zip(tests, adjusted, strict=True)]


def challenge(champion: str, names: set[str], pooled: Pooled, contest: Contest) -> list[Test]:
    """One test per challenger that has evidence on the same days as the champion."""
    base = pooled.values[champion]
    tests = []
    for name in sorted(names - {champion}):
        if name not in pooled.values or np.isnan(pooled.values[name]).all():
            continue
        test = paired(
            name,
            pooled.values[name],
            champion,
            base,
            pooled.cluster,
            minimum=contest.minimum_effect,
            level=contest.level,
        )
        tests.append(Test(**{**asdict(test), "revenue_low": _revenue_low(name, champion, pooled, contest)}))
    return adjust(tests)


def _revenue_low(name: str, champion: str, pooled: Pooled, contest: Contest) -> float | None:
    """Lower bound of the challenger's revenue difference relative to the champion's revenue."""
    if name not in pooled.revenue or champion not in pooled.revenue:
        return None
    base = pooled.revenue[champion]
    cap = np.nanquantile(base[base > 0], 0.99) if np.any(base > 0) else np.inf  # one huge order must not decide
    a, b = np.minimum(pooled.revenue[name], cap), np.minimum(base, cap)
    test = paired(name, a, champion, b, pooled.cluster, minimum=0.0, level=contest.level)
    mean = float(np.nanmean(b))
    return test.low / mean if mean > 0 else None


def strength(pooled: Pooled, champion: str, tests: Sequence[Test], contest: Contest) -> dict[str, Any]:
    """What tonight's evidence could have found: chance to promote a contender that is truly so much better."""
    if not tests:
        return {}
    base = float(np.nanmean(pooled.values[champion]))
    z = NormalDist().inv_cdf(0.5 + contest.level / 2)
    errors = [(t.high - t.low) / (2 * z) for t in tests]
    n, error = tests[0].n, float(np.median(errors))
    alpha = (1 - contest.level) / len(tests)  # two-sided alpha whose upper half is Holm's first step
    lifts = (0.02, 0.05, 0.1, 0.2)
    chance = {
        f"{lift:.0%}": power(error * np.sqrt(n), n, max(lift - contest.minimum_effect, 0) * base, alpha)
        if base
        else 0.0
        for lift in lifts
    }
    told = {"n": n, "nights": len(pooled.nights), "champion_mean": base, "standard_error": error, "chance": chance}
    return told | {"nights_for": {f"{lift:.0%}": _nights_for(lift, base, told, contest, alpha) for lift in lifts}}


def _nights_for(lift: float, base: float, told: Mapping[str, Any], contest: Contest, alpha: float) -> int | None:
    """Nights of evidence with which a contender so much better is promoted four times in five: what N should be.

    None where `MOST_NIGHTS` are too few. Customers of further nights are taken to be as many and as different.
    """
    effect, spread = max(lift - contest.minimum_effect, 0) * base, told["standard_error"] * np.sqrt(told["n"])
    if effect <= 0 or not np.isfinite(spread):
        return None
    for nights in range(1, MOST_NIGHTS + 1):
        if power(spread, max(round(told["n"] * nights / told["nights"]), 1), effect, alpha) >= ENOUGH:
            return nights
    return None


def not_shown(champion: str, tests: Sequence[Test], pooled: Pooled, contest: Contest) -> str:
    """Why the champion stays, in words."""
    if not tests:
        return f"No challenger has evidence on the same days as {champion}; it stays."
    best = max(tests, key=lambda t: t.difference)
    if best.difference <= 0:
        return f"No challenger was better than {champion} over {nights(len(pooled.nights))}."
    return (
        f"{champion} stays: the best challenger, {best.challenger}, was ahead by {best.difference:+.4f} over "
        f"{nights(len(pooled.nights))}, but that is not shown to exceed {contest.minimum_effect:.0%} "
        f"(adjusted {p_value(best.p_holm)})."
    )


def nights(n: int) -> str:
    return "1 night" if n == 1 else f"{n} nights"


def p_value(p: float) -> str:
    """`p = 0.0123`; never the impossible 0."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def power_words(power: Mapping[str, Any]) -> str:
    """What tonight's evidence could have found, and how many nights a better contender needs; "" where unknown."""
    if not power.get("chance"):
        return ""
    lifts = sorted(power["chance"], key=lambda lift: float(lift.rstrip("%")))  # stored JSON sorts them as text
    chances = ", ".join(f"{lift} with a chance of {power['chance'][lift]:.0%}" for lift in lifts)
    words = f"Tonight's test would have promoted a contender that is truly better by {chances}."
    found = [(lift, power["nights_for"][lift]) for lift in lifts if power.get("nights_for", {}).get(lift)]
    if found:
        words += f" To find {found[0][0]} four times in five, set [contest] evidence_nights to {found[0][1]}."
    return words
