"""What visitors said: running A/B tests, off-policy estimates of the contenders, and who gets tomorrow's traffic."""

from __future__ import annotations

import json
from functools import partial

from recsys.contest import estimates, traffic, trials
from recsys.contest.evidence import NO_EXPOSURES, Evidence, Found, Json, nothing
from recsys.contest.optional import settled
from recsys.contest.record import load_fitted
from recsys.data.dataset import end_of_day
from recsys.data.lake import Lake
from recsys.evaluation.abread import Reading
from recsys.evaluation.offpolicy import Estimate, Evaluation


def tests(evidence: Evidence) -> Found:
    """Every test of recsys.toml; one that cannot be read is refused alone."""
    planned, shown = evidence.settings.tests, evidence.shown
    if not planned or shown is None:
        return nothing("recsys.toml names no [tests.NAME]." if not planned else NO_EXPOSURES)
    facts: Json = {}
    readings: dict[str, Reading] = {}
    for name, trial in planned.items():
        reading, why = settled(partial(trials.read_trial, name, trial, shown, evidence.sales, evidence.day))
        facts[name] = trials.reading_json(reading) if reading else {"status": "refused", "reasons": [why]}
        readings |= {name: reading} if reading else {}
    rows = [row for name, reading in readings.items() for row in trials.comparisons(name, reading)]
    deciding = [row for row in rows if row["metric"] == readings[row["test"]].metric]
    names = [str(record["name"]) for record in evidence.backtests]
    return Found(
        {"read": facts},
        {"tests": rows} if rows else {},
        {f"tests.{row['test']}.{row['arm']}.difference": row["difference"] for row in deciding},
        trials.vetoes(readings, evidence.champion, names),
    )


def off_policy(evidence: Evidence) -> Found:
    """What each backtested contender would have earned on the slates of the held-out days, and why one cannot say."""
    if evidence.shown is None or not evidence.fitted:
        return nothing(NO_EXPOSURES if evidence.shown is None else "No contender has a scorer of the past.")
    rules, last = evidence.settings.contest, evidence.day
    shown = estimates.log_of(evidence.shown, evidence.train, last - rules.days + 1, last)
    rows, judged, left = [], {}, {}
    for record in evidence.fitted:
        name = str(record["name"])
        estimated, why = settled(partial(_estimated, evidence.lake, record, shown))
        if estimated is None:
            left[name] = why
            continue
        rows.append(estimates.estimate_row(name, *estimated))
        judged[name] = estimated[1]
    logged, numbers = estimates.logged(shown), {f"off_policy.{row['contender']}": row["estimate"] for row in rows}
    return Found(
        {"exposures": len(shown.exposures), "log": logged["estimate"], "unit": logged["unit"], "left_out": left},
        {"off_policy": [*rows, logged]},
        {**numbers, "off_policy.log": logged["estimate"]},
        estimates.vetoes(judged, evidence.champion, rules.level),
    )


def bandit(evidence: Evidence) -> Found:
    """Tomorrow's shares where recsys.toml names several arms, and what learning has cost so far."""
    given, shown = evidence.settings.traffic, evidence.shown
    if shown is None:
        return nothing(NO_EXPOSURES)
    logged = sorted(set(shown["arm"].to_list()))
    decides = len(given.arms) > 1
    arms = given.arms if decides else tuple(logged)
    if len(arms) < 2:
        return nothing(f"Every exposure is of the arm {arms[0]}: there is nothing to choose between.")
    given = given.model_copy(update={"arms": arms})
    slates = traffic.pulls(shown, arms, given)
    shares = traffic.share_out(given, slates, end_of_day(evidence.day, evidence.settings), evidence.seed)
    curve = traffic.regret_curve(slates, given, evidence.seed)
    scopes = ("", *shares.sellers)
    rows = [{"scope": scope or "shop", **dict(zip(arms, shares.of(scope), strict=True))} for scope in scopes]
    notes = [f"nobody has seen the arm {arm} yet" for arm in arms if arm not in logged]
    return Found(
        {"policy": given.policy, "floor": given.floor, "arms": list(arms), "decides": decides, "notes": notes},
        {"allocation": rows} | ({"regret": curve} if curve else {}),
        {f"bandit.share.{arm}": share for arm, share in zip(arms, shares.shares, strict=True)},
        allocation=json.loads(shares.to_json()) if decides else None,
    )


def _estimated(lake: Lake, record: Json, shown: estimates.Log) -> tuple[Evaluation, Estimate]:
    return estimates.evaluate_contender(load_fitted(lake, record), shown)
