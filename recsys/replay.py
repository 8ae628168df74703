"""Live many nights of the real file, one after another, in a root of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from recsys import steps
from recsys.config import load
from recsys.contest.record import key_of
from recsys.data.ingest import day_name, day_range
from recsys.data.lake import Lake
from recsys.errors import UsageError

Json = dict[str, Any]
Tell = Callable[[str, str], None]


def replay(params: Mapping[str, Any], nights: int, *, backtest_every: int, tell: Tell) -> Iterator[Json]:
    """One row per night: champion, action, reasons, power, and whom nightly argmax would have crowned.

    The lake is cut at each night's day, so a night knows what it could have known. The backtest is repeated every
    `backtest_every` nights (its records serve the gates in between); daily evidence is new every night.
    """
    settings = load(params.get("config"))
    asked = [settings.terms(), params.get("contenders"), nights]
    own = settings.runtime_folder / "replay" / key_of(*asked, backtest_every) / "lake"  # one root per question
    root = str(params.get("lake") or own)
    night = steps.ingest(steps.start_night({**params, "lake": root}))
    backtests: list[Json] = []
    for number, as_of in enumerate(_days(Lake(root), nights)):
        tonight = {**params, "lake": root, "as_of": as_of, "run": f"replay-{as_of}"}
        judged = number % backtest_every == 0
        night = steps.prepare({**steps.start_night(tonight), "ingested": night["ingested"], "backtest": judged})
        evidence = steps.judge(night)
        if judged:
            backtests = [steps.backtest(night, name) for name in night["contenders"]]
        decision = steps.decide(night, backtests, evidence)
        fits = [steps.fit(night, name) for name in night["contenders"]]
        published = steps.publish(night, decision, fits)
        row = _row(as_of, decision, published, evidence)
        tell(as_of, f"{row['action']:<7} {row['champion']:<20} best of the night {row['best_of_night']}")
        yield row


def verdict(rows: list[Json]) -> str:
    """What the rule did and what argmax would have done, in a sentence."""
    changes = sum(row["action"] == "promote" for row in rows)
    best = [row["best_of_night"] for row in rows if row["best_of_night"]]
    flips = sum(a != b for a, b in pairwise(best))
    return (
        f"{len(rows)} nights: {changes} promotions by the rule; crowning the best of each night's orders would have "
        f"changed the champion {flips} times."
    )


def _days(lake: Lake, nights: int) -> list[str]:
    first, last = day_range(lake)
    if first is None or last is None or last - 1 - first < nights:
        there = 0 if first is None or last is None else last - first
        raise UsageError("--nights", got=nights, wanted=f"fewer than the {there} days there are")
    newest = date.fromisoformat(day_name(last - 1))
    return [(newest - timedelta(days=back)).isoformat() for back in range(nights - 1, -1, -1)]


def _row(as_of: str, decision: Json, published: Json, evidence: Json) -> Json:
    best = evidence.get("best") if evidence["status"] == "ok" else decision["argmax"]
    return {
        "night": as_of,
        "champion": decision["champion"],
        "action": decision["action"],
        "best_of_night": best,
        "generation": published["generation"],
        "reasons": list(decision["reasons"]),
        "power": decision["power"],
        "evidence_customers": evidence.get("customers", 0),
    }
