"""The champion rule: promote only on evidence, say why in words.

The first champion comes from the backtest alone: among the contenders that pass the gates, the best of those whose
paired interval against the bar lies above 0; if none does, the bar itself. From then on only daily evidence counts:
a challenger is promoted if and only if the lower bound of its pooled paired difference to the champion (Holm over
challengers) exceeds the minimum effect, its revenue is not worse, every guardrail holds and the cool-down is over.
Ties keep the champion. Two things stand above the evidence: a promotion by hand, and a champion that could not be
fitted for a week, which is replaced by the rule of the first night.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from recsys.config import Contest
from recsys.contract import F64, I64
from recsys.evaluation.significance import holm, power

COVERAGE_SHARE = 0.9  # of the champion's catalogue coverage
REVENUE_TOLERANCE = 0.01
COLD_TOLERANCE = 0.02
STALE_NIGHTS = 7  # a champion whose scorer is this old is replaced


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
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pooled:
    """Daily evidence over disjoint days: one value per customer and night, the same rows for every contender."""

    values: Mapping[str, F64]  # primary metric
    revenue: Mapping[str, F64]
    cluster: I64  # the customer a row belongs to
    nights: tuple[str, ...]  # as-of days whose orders were judged


@dataclass(frozen=True)
class Standing:
    """What binds tonight's decision."""

    champion: str | None
    nights_since_change: int | None = None
    barred: tuple[str, ...] = ()
    held: bool = False
    wanted: str | None = None  # promoted by hand
    scorer_age: int = 0  # nights since the champion could last be fitted; 0 where it was fitted last night


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


@dataclass(frozen=True)
class Decision:
    """Who is champion tonight and why. action: first | promote | keep | none."""

    action: str
    champion: str | None
    previous: str | None
    reasons: tuple[str, ...]
    tests: tuple[Test, ...] = ()
    gates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    power: Mapping[str, Any] = field(default_factory=dict)
    argmax: str | None = None  # what nightly argmax would have crowned

    def json(self) -> dict[str, Any]:
        return asdict(self)


def decide(
    candidates: Sequence[Candidate],
    pooled: Pooled | None,
    standing: Standing,
    contest: Contest,
    promotion: str = "auto",
) -> Decision:
    """Apply the rule. Deterministic: ties go to the champion, then to the name that sorts first."""
    by_name = {c.name: c for c in candidates}
    gates = {c.name: _gates(c, by_name.get(standing.champion or "")) for c in candidates}
    passing = [c for c in candidates if not gates[c.name]["failed"]]
    argmax = _argmax(passing)
    if standing.held:
        why = "Publishing is held since a rollback; `recsys champion release` lifts it."
        return Decision("keep", standing.champion, standing.champion, (why,), gates=gates, argmax=argmax)
    by_hand = by_name.get(standing.wanted or "")
    if by_hand is not None and by_hand.status == "ok" and by_hand.name != standing.champion:
        why = f"{by_hand.name} was promoted by hand."
        return Decision("promote", by_hand.name, standing.champion, (why,), gates=gates, argmax=argmax)
    if standing.champion is None and not passing:
        return _unjudged(candidates, contest, gates)
    if not passing:
        reason = "No contender passed its gates: what was published before stays."
        return Decision("none", standing.champion, standing.champion, (reason,), gates=gates)
    if standing.champion is None:
        return _first(passing, contest, gates, argmax)
    others = [c for c in passing if c.name != standing.champion and c.name not in standing.barred]
    if standing.scorer_age >= STALE_NIGHTS and others:
        return _replace(standing, _first(others, contest, gates, argmax))
    return _nightly(passing, pooled, standing, contest, gates, argmax, promotion)


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


def _gates(candidate: Candidate, champion: Candidate | None) -> dict[str, Any]:
    """Each gate's finding in words; `failed` lists those that bar the contender."""
    failed: list[str] = []
    values = candidate.values
    if candidate.status != "ok":
        failed.append(f"{candidate.status}: {candidate.reason}")
    elif values is None or not np.isfinite(values[~np.isnan(values)]).all() or np.isnan(values).all():
        failed.append("no finite scores on the held-out days")
    if not failed and champion is not None and champion.status == "ok" and champion.name != candidate.name:
        failed += _worse_coverage(candidate, champion) + _worse_for_cold(candidate, champion)
    return {"failed": failed, "coverage": candidate.coverage}


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


def _argmax(passing: Sequence[Candidate]) -> str | None:
    ranked = sorted(passing, key=lambda c: (-_mean(c), c.name))
    return ranked[0].name if ranked else None


def _mean(candidate: Candidate) -> float:
    return float(np.nanmean(candidate.values)) if candidate.values is not None else float("-inf")


def _unjudged(candidates: Sequence[Candidate], contest: Contest, gates: Mapping[str, Any]) -> Decision:
    """Nobody could be judged on the first night: what the bar is made of is published, or else nothing."""
    safe = {c.name: c for c in candidates if c.status == "ok" and (c.name in contest.bar or c.family == "popularity")}
    ordered = sorted(safe, key=lambda name: (safe[name].family != "popularity", name not in contest.bar, name))
    if not ordered:
        return Decision("none", None, None, ("No contender came to an end that could be published.",), gates=gates)
    why = f"Nobody could be asked on the held-out days, so no contender is judged; {ordered[0]} is the first champion."
    return Decision("first", ordered[0], None, (why,), gates=gates)


def _replace(standing: Standing, first: Decision) -> Decision:
    """The champion's scorer is too old to go on: the first night's rule says who follows, whatever the evidence."""
    stale = f"{standing.champion} could not be fitted for {standing.scorer_age} nights and is replaced."
    return replace(first, action="promote", previous=standing.champion, reasons=(stale, *first.reasons))


def _first(passing: Sequence[Candidate], contest: Contest, gates: Mapping[str, Any], argmax: str | None) -> Decision:
    """The first night has the backtest alone."""
    bars = [c for c in passing if c.name in contest.bar] or [c for c in passing if c.family == "popularity"]
    if not bars:
        best = next(c for c in passing if c.name == argmax)
        return Decision(
            "first",
            best.name,
            None,
            (f"No bar was entered; {best.name} has the best backtest.",),
            gates=gates,
            argmax=argmax,
        )
    bar = max(bars, key=lambda c: (_mean(c), c.name))
    tests = _against(bar, [c for c in passing if c.name not in {b.name for b in bars}], contest)
    alpha = (1 - contest.level) / 2
    above = [t for t in tests if t.p_holm < alpha]
    if not above:
        why = f"Nothing beat the bar in the backtest, so the bar itself, {bar.name}, is the first champion."
        return Decision("first", bar.name, None, (why,), tuple(tests), gates, argmax=argmax)
    means = {c.name: _mean(c) for c in passing}
    best_test = max(above, key=lambda t: (means[t.challenger], t.challenger))
    why = (
        f"{best_test.challenger} is the first champion: on {best_test.n:,} held-out customers it beat the bar "
        f"{bar.name} by {best_test.difference:+.4f} ({contest.primary}, 95 % interval {best_test.low:+.4f} to "
        f"{best_test.high:+.4f}), the best of {len(above)} that did."
    )
    return Decision("first", best_test.challenger, None, (why,), tuple(tests), gates, argmax=argmax)


def _against(bar: Candidate, challengers: Sequence[Candidate], contest: Contest) -> list[Test]:
    assert bar.values is not None
    rows = np.arange(len(bar.values), dtype=np.int64)
    tests = [
        paired(c.name, c.values, bar.name, bar.values, rows, minimum=0.0, level=contest.level)
        for c in challengers
        if c.values is not None
    ]
    return _adjust(tests)


def _adjust(tests: Sequence[Test]) -> list[Test]:
    if not tests:
        return []
    adjusted = holm(np.array([t.p for t in tests]))
    return [Test(**{**asdict(t), "p_holm": float(p)}) for t, p in zip(tests, adjusted, strict=True)]


def _nightly(
    passing: Sequence[Candidate],
    pooled: Pooled | None,
    standing: Standing,
    contest: Contest,
    gates: Mapping[str, Any],
    argmax: str | None,
    promotion: str,
) -> Decision:
    champion = standing.champion
    assert champion is not None
    names = {c.name for c in passing}

    def keep(*reasons: str, tests: Sequence[Test] = (), strength: Mapping[str, Any] | None = None) -> Decision:
        return Decision("keep", champion, champion, reasons, tuple(tests), gates, strength or {}, argmax)

    if standing.wanted and standing.wanted != champion:
        return keep(f"{standing.wanted} was promoted by hand but has no result tonight; {champion} stays until it has.")
    if promotion == "off":
        return keep("Promotion is switched off for this run.")
    if pooled is None or champion not in pooled.values:
        return keep(f"There is no daily evidence about {champion} yet; it stays.")
    tests = _challenge(champion, names - set(standing.barred), pooled, contest)
    strength = _strength(pooled, champion, tests, contest)
    alpha = (1 - contest.level) / 2
    winners = [t for t in tests if t.p_holm < alpha]
    if not winners:
        return keep(_not_shown(champion, tests, pooled, contest), tests=tests, strength=strength)
    sound = [t for t in winners if t.revenue_low is None or t.revenue_low > -REVENUE_TOLERANCE]
    if not sound:
        return keep("Every challenger that ranks better may earn less.", tests=tests, strength=strength)
    waited = standing.nights_since_change
    if waited is not None and waited < contest.cooldown_nights:
        return keep(
            f"The champion changed {waited} nights ago; the cool-down is {contest.cooldown_nights} nights.",
            tests=tests,
            strength=strength,
        )
    best = max(sound, key=lambda t: (t.difference, t.challenger))
    why = (
        f"{best.challenger} replaces {champion}: over {len(pooled.nights)} nights and {best.n:,} customers it was "
        f"better by {best.difference:+.4f} ({best.relative:+.1%}); more than the minimum effect of "
        f"{contest.minimum_effect:.0%} with adjusted p = {best.p_holm:.4f}."
    )
    if promotion == "approve":
        ask = f"Promotion waits for approval: `recsys champion promote {best.challenger}`."
        return keep(ask, why.replace(" replaces ", " would replace "), tests=tests, strength=strength)
    return Decision("promote", best.challenger, champion, (why,), tuple(tests), gates, strength, argmax)


def _challenge(champion: str, names: set[str], pooled: Pooled, contest: Contest) -> list[Test]:
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
    return _adjust(tests)


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


def _strength(pooled: Pooled, champion: str, tests: Sequence[Test], contest: Contest) -> dict[str, Any]:
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
    return {"n": n, "nights": len(pooled.nights), "champion_mean": base, "standard_error": error, "chance": chance}


def _not_shown(champion: str, tests: Sequence[Test], pooled: Pooled, contest: Contest) -> str:
    if not tests:
        return f"No challenger has evidence on the same days as {champion}; it stays."
    best = max(tests, key=lambda t: t.difference)
    if best.difference <= 0:
        return f"No challenger was better than {champion} over {len(pooled.nights)} nights."
    return (
        f"{champion} stays: the best challenger, {best.challenger}, was ahead by {best.difference:+.4f} over "
        f"{len(pooled.nights)} nights, but that is not shown to exceed {contest.minimum_effect:.0%} "
        f"(adjusted p = {best.p_holm:.3f})."
    )
