"""The night without Airflow: the same steps in the same order, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recsys import steps

Json = dict[str, Any]
Tell = Callable[[str, str], None]  # (step, what it came to)


def run_night(params: Mapping[str, Any], tell: Tell | None = None) -> Json:
    """Every step in order, contenders one after another; `tell` hears of each step, in words."""
    say = tell or _silent
    night = steps.start_night(params)
    say("ingest", "")
    night = steps.ingest(night)
    night = steps.prepare(night)
    say("prepare", f"as of {night['as_of']}{'; ' + night['note'] if night['note'] else ''}")
    evidence = steps.judge(night)
    say("judge", evidence["reason"] if "reason" in evidence else f"{len(evidence['nights'])} nights of evidence")
    backtests = [_told("backtest", steps.backtest(night, name), say) for name in night["contenders"]]
    trial = steps.experiments(night, backtests)
    say("experiments", str(trial.get("reason", trial["status"])))
    decision = steps.decide(night, backtests, evidence, trial)
    say("decide", " ".join(decision["reasons"]))
    fits = [_told("fit", steps.fit(night, name), say) for name in steps.eligible(backtests, decision)]
    steps.blend(night, backtests, fits)
    markets = steps.demand(night, backtests, fits)
    say("demand", str(markets.get("reason", markets["status"])))
    assortment = steps.assort(night, backtests, decision, fits)
    say("assort", str(assortment.get("reason", assortment["status"])))
    published = steps.publish(night, decision, fits, assortment, trial)
    say("publish", published["why"] if not published["generation"] else published["generation"])
    facts = {"demand": markets, "assortment": assortment, "experiments": trial}
    registration = steps.register(night, backtests, decision, published, facts)
    say("register", registration.get("note", "mirrored in MLflow"))
    page = steps.report(night, backtests, decision, published, {**facts, "registration": registration})
    steps.tidy(night, published)
    return {
        "night": night,
        "decision": decision,
        "publication": published,
        "backtests": backtests,
        "fits": fits,
        "registration": registration,
        "report": page,
    }


def _silent(step: str, text: str) -> None:
    """Nobody listens."""


def _told(step: str, record: Json, say: Tell) -> Json:
    text = record["status"] if record["status"] == "ok" else f"{record['status']}: {record['reason']}"
    say(step, f"{record['name']} {text} ({record.get('fit_seconds', 0):.1f} s)")
    return record
