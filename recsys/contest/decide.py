"""The champion rule: promote only on evidence, say why in words.

The first champion comes from the backtest alone: among the contenders that pass the gates, the best of those whose
paired interval against the bar lies above 0; if none does, the bar itself. From then on only daily evidence counts:
a challenger is promoted if and only if the lower bound of its pooled paired difference to the champion (Holm over
challengers) exceeds the minimum effect, its revenue is not worse, every guardrail holds and the cool-down is over.
Evidence from visitors stands on rungs above the orders: an off-policy estimate or an A/B test that has data about the
challenger and shows it worse vetoes its promotion. A rung without data says nothing.
Ties keep the champion. Two things stand above the evidence: a promotion by hand, and a champion that could not be
fitted for a week, which is replaced by the rule of the first night.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from recsys.config import Contest
from recsys.contest.challenge import (
    Pooled,
    Test,
    adjust,
    challenge,
    nights,
    not_shown,
    p_value,
    paired,
    strength,
)
from recsys.contest.gates import Candidate, gates_of

REVENUE_TOLERANCE = 0.01
STALE_NIGHTS = 7  # a champion whose scorer is this old is replaced


@dataclass(frozen=True)
class Standing:
    """What binds tonight's decision."""

    champion: str | None
    nights_since_change: int | None = None
    barred: tuple[str, ...] = ()
    held: bool = False
    wanted: str | None = None  # promoted by hand
    scorer_age: int = 0  # nights since the champion could last be fitted; 0 where it was fitted last night
    vetoes: Mapping[str, str] = field(default_factory=dict)  # contender -> why off-policy estimates or A/B tests bar it


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
    proposal: str | None = None  # who would be promoted if a person approved

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
    gates = {c.name: gates_of(c, by_name.get(standing.champion or ""), contest) for c in candidates}
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
    return adjust(tests)


def _nightly(
    passing: Sequence[Candidate],
    pooled: Pooled | None,
    standing: Standing,
    contest: Contest,
    gates: Mapping[str, Any],
    argmax: str | None,
    promotion: str,
) -> Decision:
    """Keep the champion unless daily evidence says otherwise."""
    champion = standing.champion
    assert champion is not None
    kept = Decision("keep", champion, champion, (), gates=gates, argmax=argmax)
    if standing.wanted and standing.wanted != champion:
        why = f"{standing.wanted} was promoted by hand but has no result tonight; {champion} stays until it has."
        return replace(kept, reasons=(why,))
    if promotion == "off":
        return replace(kept, reasons=("Promotion is switched off for this run.",))
    if pooled is None or champion not in pooled.values:
        return replace(kept, reasons=(f"There is no daily evidence about {champion} yet; it stays.",))
    tests = challenge(champion, {c.name for c in passing} - set(standing.barred), pooled, contest)
    judged = replace(kept, tests=tuple(tests), power=strength(pooled, champion, tests, contest))
    best, against = _winner(tests, pooled, standing, contest)
    if best is None:
        return replace(judged, reasons=against)
    why = (
        f"{best.challenger} replaces {champion}: over {nights(len(pooled.nights))} and {best.n:,} customers it was "
        f"better by {best.difference:+.4f} ({best.relative:+.1%}); more than the minimum effect of "
        f"{contest.minimum_effect:.0%} with adjusted {p_value(best.p_holm)}."
    )
    if promotion == "approve":
        ask = f"Promotion waits for approval: `recsys champion promote {best.challenger}`."
        return replace(judged, reasons=(ask, why.replace(" replaces ", " would replace ")), proposal=best.challenger)
    return replace(judged, action="promote", champion=best.challenger, reasons=(why,))


def _winner(
    tests: Sequence[Test], pooled: Pooled, standing: Standing, contest: Contest
) -> tuple[Test | None, tuple[str, ...]]:
    """The best challenger that everything speaks for, or None and what speaks against."""
    alpha = (1 - contest.level) / 2
    winners = [t for t in tests if t.p_holm < alpha]
    if not winners:
        return None, (not_shown(str(standing.champion), tests, pooled, contest),)
    sound = [t for t in winners if t.revenue_low is None or t.revenue_low > -REVENUE_TOLERANCE]
    if not sound:
        return None, ("Every challenger that ranks better may earn less.",)
    upheld = [t for t in sound if t.challenger not in standing.vetoes]
    if not upheld:
        return None, tuple(f"{t.challenger} is better on orders, but {standing.vetoes[t.challenger]}." for t in sound)
    waited = standing.nights_since_change
    if waited is not None and waited < contest.cooldown_nights:
        cooling = f"The champion changed {nights(waited)} ago; the cool-down is {nights(contest.cooldown_nights)}."
        return None, (cooling,)
    return max(upheld, key=lambda t: (t.difference, t.challenger)), ()
