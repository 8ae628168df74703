"""Reading an A/B test: is the split sound, what changed, and which arm won - or that nobody did.

Order of business: unknown arms and one-sided traffic are refused, then the sample ratio is tested and stops the read,
then every metric is compared with the control, Holm-corrected over the arms. A winner must beat the control and every
other arm that beats the control; what cannot be told apart is a tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64
from recsys.errors import DataError
from recsys.evaluation import abtest
from recsys.evaluation.abdesign import METRICS, Design, Visitors, answerable
from recsys.evaluation.abtest import Difference, Measure
from recsys.evaluation.gate import Status
from recsys.evaluation.sequential import confidence_sequence
from recsys.evaluation.significance import holm

MIXED = 0.01  # largest share of visitors that may have met two arms
WEEK = 7


@dataclass(frozen=True)
class Arm:
    """What came to one arm."""

    name: str
    visitors: int
    share: float  # planned


@dataclass(frozen=True)
class Comparison:
    """One arm against the control on one metric; the sequence is its always-valid twin."""

    metric: str
    arm: str
    control: float
    treatment: float
    difference: Difference
    adjusted_p: float  # Holm over the arms of this metric
    sequence_low: float
    sequence_high: float
    sequence_p: float  # Holm over the arms
    explained: float  # share of variance removed by CUPED
    cap: float  # winsorised at; 0 = not


@dataclass(frozen=True)
class Verdict:
    """Who won, who is tied with them at the top, who is worse than the control, and why, in words."""

    winner: str | None
    tied: tuple[str, ...]
    worse: tuple[str, ...]
    rule: str  # "fixed horizon" or "confidence sequence"
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """A test as read today; nothing is compared and nobody wins where the status is refused."""

    status: Status
    reasons: tuple[str, ...]
    metric: str
    arms: tuple[Arm, ...]
    srm_p: float
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    level: float  # of the intervals of the differences


def read(visitors: Visitors, design: Design) -> Reading:
    """Read a test. Raises DataError for arms the design does not know or a metric the log cannot answer."""
    counts = np.bincount(visitors.arm, minlength=len(design.arms))
    if len(counts) > len(design.arms):
        raise DataError("A/B log", got=f"{len(counts)} arms", wanted=f"the {len(design.arms)} arms of the design")
    arms = tuple(Arm(*row) for row in zip(design.arms, counts.tolist(), design.shares, strict=True))
    metric = _deciding(visitors, design)
    srm_p = abtest.sample_ratio_p(counts.tolist(), design.shares) if len(visitors.arm) else float("nan")
    refusals = _refusals(visitors, arms, srm_p)
    if refusals:
        return Reading("refused", refusals, metric, arms, srm_p, (), _nobody(refusals), design.level)
    names = [name for name in METRICS if answerable(name, visitors)]
    comparisons = tuple(row for name in names for row in _compare(name, visitors, design))
    warnings = _warnings(visitors, arms, design)
    verdict = _decide(visitors, design, metric, comparisons)
    return Reading("warned" if warnings else "ok", warnings, metric, arms, srm_p, comparisons, verdict, design.level)


def _deciding(visitors: Visitors, design: Design) -> str:
    metric = design.metric or ("conversion" if "orders" in visitors.totals else "response")
    if not answerable(metric, visitors):
        _, *needs = METRICS[metric]
        wanted = " and ".join(n for n in needs if n)
        raise DataError(f"A/B log: {metric}", got=f"columns {', '.join(visitors.totals)}", wanted=f"a column {wanted}")
    return metric


def _refusals(visitors: Visitors, arms: tuple[Arm, ...], srm_p: float) -> tuple[str, ...]:
    empty = [arm.name for arm in arms if arm.visitors < 2]
    everybody = len(visitors.arm) + visitors.mixed
    checks = [
        (bool(empty), f"hardly anybody met {', '.join(empty)}: one-sided traffic compares with nothing"),
        (
            not empty and srm_p < abtest.SRM_ALPHA,
            f"sample ratio mismatch (p = {srm_p:.2g} < {abtest.SRM_ALPHA}): visitors did not arrive as split, so arms "
            "differ by more than what they showed. Look for redirects, bots, caching and late logging, per arm",
        ),
        (
            visitors.mixed > MIXED * everybody,
            f"{visitors.mixed:,} of {everybody:,} visitors met several arms: the assignment is not sticky",
        ),
    ]
    return tuple(words for failed, words in checks if failed)


def _warnings(visitors: Visitors, arms: tuple[Arm, ...], design: Design) -> tuple[str, ...]:
    smallest = min(arm.visitors for arm in arms)
    checks = [
        (visitors.mixed > 0, f"{visitors.mixed:,} visitors met several arms and were left out"),
        (
            visitors.days is not None and visitors.days < WEEK,
            f"only {visitors.days} days: weekdays differ, wait for whole weeks",
        ),
        (
            smallest < design.planned,
            f"{smallest:,} of {design.planned:,} planned visitors per arm: until then only the sequence decides",
        ),
        (design.planned == 0, "no planned size was given: read as monitoring, by the confidence sequence"),
        (smallest < abtest.BURN_IN, f"fewer than {abtest.BURN_IN} visitors in an arm: too early for any interval"),
    ]
    return tuple(words for failed, words in checks if failed)


def _compare(metric: str, visitors: Visitors, design: Design) -> list[Comparison]:
    """Every arm against the control, corrected over the arms."""
    values, explained, cap = _values(metric, visitors, design)
    measures = [_measure(metric, visitors, values, row) for row in range(len(design.arms))]
    pairs = [(0, row) for row in range(1, len(design.arms))]
    differences = [_difference(metric, visitors, measures, pair, design.level) for pair in pairs]
    sequences = [_sequence(measures, pair, design, design.level) for pair in pairs]
    adjusted = holm(np.array([d.p for d in differences]))
    always = holm(np.array([s[2] for s in sequences]))
    return [
        Comparison(metric, design.arms[row], measures[0].value, measures[row].value, difference, float(p),
                   low, high, float(p_always), explained, cap)
        for (_, row), difference, (low, high, _), p, p_always
        in zip(pairs, differences, sequences, adjusted, always, strict=True)
    ]  # fmt: skip


def _values(metric: str, visitors: Visitors, design: Design) -> tuple[F64, float, float]:
    """(value per visitor, share of variance explained by the past, cap); a ratio's numerator comes as it is."""
    kind, quantity, _ = METRICS[metric]
    values, cap = visitors.totals[quantity], 0.0
    if kind in ("share", "ratio"):
        return values, 0.0, cap
    if kind == "winsorised":
        values, cap = abtest.winsorise(values, design.winsorise)
    before = visitors.before.get(quantity)
    if before is None:
        return values, 0.0, cap
    if kind == "winsorised":
        before, _ = abtest.winsorise(before, design.winsorise)
    return (*abtest.adjust(values, before, visitors.arm), cap)


def _measure(metric: str, visitors: Visitors, values: F64, row: int) -> Measure:
    kind, _, bottom = METRICS[metric]
    own = visitors.arm == row
    if kind == "ratio":
        return abtest.ratio(values[own], visitors.totals[bottom][own])
    return abtest.mean((values[own] > 0) * 1.0 if kind == "share" else values[own])


def _difference(
    metric: str, visitors: Visitors, measures: list[Measure], pair: tuple[int, int], level: float
) -> Difference:
    if METRICS[metric][0] != "share":
        return abtest.compare(measures[pair[0]], measures[pair[1]], level)
    control, treatment = ((round(measures[row].value * measures[row].n), measures[row].n) for row in pair)
    return abtest.compare_conversion(control, treatment, level)


def _sequence(
    measures: list[Measure], pair: tuple[int, int], design: Design, level: float
) -> tuple[float, float, float]:
    """Always-valid (low, high, p); without an opinion until the burn-in is over."""
    one, other = (measures[row] for row in pair)
    variance = one.variance + other.variance
    if min(one.n, other.n) < abtest.BURN_IN or not variance > 0:
        return -np.inf, np.inf, 1.0
    tuned = 2.0 * (design.planned or 5000)
    difference, se, n = (np.array(x) for x in (other.value - one.value, variance**0.5, one.n + other.n))
    found = confidence_sequence(difference, se, n, tuned, level)
    return float(found.low), float(found.high), float(found.p)


def _decide(visitors: Visitors, design: Design, metric: str, comparisons: tuple[Comparison, ...]) -> Verdict:
    own = [c for c in comparisons if c.metric == metric]
    counts = np.bincount(visitors.arm, minlength=len(design.arms))
    final = 0 < design.planned <= int(counts.min())
    sure = {c.arm: (c.adjusted_p if final else c.sequence_p) < design.alpha for c in own}
    gain = {c.arm: c.treatment - c.control for c in own}
    better = sorted((a for a in sure if sure[a] and gain[a] > 0), key=lambda a: -gain[a])
    worse = tuple(a for a in sure if sure[a] and gain[a] < 0)
    rule = "fixed horizon" if final else "confidence sequence"
    if not better:
        open_ = tuple(a for a in design.arms if a not in worse)
        return Verdict(None, open_, worse, rule, (f"no arm is surely better than {design.arms[0]} on {metric}",))
    tied = _leaders(better, visitors, design, metric, final)
    if len(tied) > 1:
        return Verdict(None, tied, worse, rule, (f"{', '.join(tied)} beat the control and cannot be told apart",))
    harm = [
        c.metric for c in comparisons
        if c.arm == tied[0] and c.metric == "revenue_per_visitor" != metric and c.difference.high < 0
    ]  # fmt: skip
    if harm:
        return Verdict(None, tied, worse, rule, (f"{tied[0]} is better on {metric} and surely worse on {harm[0]}",))
    return Verdict(tied[0], (), worse, rule, (f"{tied[0]} is better than every other arm on {metric}",))


def _leaders(better: list[str], visitors: Visitors, design: Design, metric: str, final: bool) -> tuple[str, ...]:
    """The best arm and those it cannot be told apart from, Holm over these pairs."""
    values, _, _ = _values(metric, visitors, design)
    measures = [_measure(metric, visitors, values, row) for row in range(len(design.arms))]
    top = design.arms.index(better[0])
    pairs = [(design.arms.index(arm), top) for arm in better[1:]]
    level = 1 - design.alpha
    p = [
        _difference(metric, visitors, measures, pair, level).p if final else _sequence(measures, pair, design, level)[2]
        for pair in pairs
    ]
    apart = holm(np.array(p, dtype=np.float64)) < design.alpha
    return (better[0], *(arm for arm, told in zip(better[1:], apart, strict=True) if not told))


def _nobody(reasons: tuple[str, ...]) -> Verdict:
    return Verdict(None, (), (), "none", reasons)
