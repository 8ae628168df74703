"""One night: orders in, contenders trained and judged, a champion and its lists out. Wiring only: see recsys.steps."""

from __future__ import annotations

from typing import Any

import installed  # noqa: F401
from airflow.sdk import dag, get_current_context, task
from champion_asset import announce
from night_alerts import deadline
from night_approval import ask
from night_form import form, schedule
from night_tasks import call, collect, per_contender, retries, step

from recsys.config import load

settings = load()


@task
def start_night() -> dict[str, Any]:
    """Fix what this night is about: its as-of day, contenders, seed and budget."""
    now = get_current_context()
    due = now.get("logical_date")
    return call("start_night", {**now["params"], "run": now["run_id"], "due": due.isoformat() if due else None})


@task
def contenders(night: dict[str, Any]) -> list[str]:
    """Who is entered tonight, the champion always among them."""
    return night["contenders"]


@per_contender(settings)
def backtest(night: dict[str, Any], contender: str) -> dict[str, Any]:
    """Fit on the past, recommend, and be judged on the held-out days."""
    return call("backtest", night, contender)


@per_contender(settings)
def fit(night: dict[str, Any], contender: str) -> dict[str, Any]:
    """Fit on all days up to the as-of day; judged on tomorrow's orders."""
    return call("fit", night, contender)


@dag(
    schedule=schedule(settings),
    params=form(settings),
    default_args=retries(settings),
    max_active_runs=1,
    tags=[settings.shop.name],
    catchup=False,
    deadline=deadline(settings),
    is_paused_upon_creation=False,  # whether nights are scheduled is said in recsys.toml: [night] scheduled
)
def nightly_retraining() -> None:
    """Prepare the data, train every contender, judge all by the same rules, publish the champion's lists."""
    night = step("prepare", step("ingest", start_night()))
    names = contenders(night)
    evidence = step("judge", night)
    backtests = collect.override(task_id="backtests")(names, backtest.partial(night=night).expand(contender=names))
    trial = step("experiments", night, backtests)
    decision = step("decide", night, backtests, evidence, trial)
    able = step("eligible", backtests, decision)
    fits = collect.override(task_id="fits")(able, fit.partial(night=night).expand(contender=able))
    blended = step("blend", night, backtests, fits)
    markets = step("demand", night, backtests, fits)
    decision = step("settle", night, decision, ask(settings, decision))
    assortment = step("assort", night, backtests, decision, fits)
    publication = step("publish", night, decision, fits, assortment, trial)
    announce(settings, publication)
    facts = {"demand": markets, "assortment": assortment, "experiments": trial}
    registration = step("register", night, backtests, decision, publication, facts)
    page = step("report", night, backtests, decision, publication, {**facts, "registration": registration})
    page >> step("tidy", night, publication)
    blended >> publication


nightly_retraining()
