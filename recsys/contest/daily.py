"""Daily evidence: yesterday's stored scorers on the orders that came after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from recsys.config import Contest, Settings
from recsys.contest.backtest import barred_products, judge
from recsys.contest.challenge import MOST_NIGHTS, Pooled, challenge, strength
from recsys.contest.generation import popular_lately
from recsys.contest.night import night_before
from recsys.contest.record import load_fitted
from recsys.contract import F64, Dataset, Flags, Scorer, Texts
from recsys.data.ingest import lake_orders
from recsys.data.lake import Lake, ref_from
from recsys.data.split import HeldOut, hold_out
from recsys.publication import standing

FOLDER = "evidence"
FEWEST, LIFT = 7, "10%"  # of `evidence_nights = "auto"`


@dataclass(frozen=True)
class Evidence:
    """One evaluated window of days: a value per contender and customer; NaN = n/a."""

    names: tuple[str, ...]
    values: F64  # [names, n] the primary metric
    revenue: F64  # [names, n]
    ids: Texts  # [n]
    first_day: int
    last_day: int
    night: str  # as-of day of the night whose orders these are


def judge_yesterday(settings: Settings, lake: Lake, night: Mapping[str, Any]) -> dict[str, Any]:
    """Judge the night before's stored scorers on the days since, once; what the last windows together hold."""
    before = night_before(lake, night["day"])
    if before is None:
        return {"status": "none", "reason": "No earlier night has stored scorers; the backtest decides."}
    first, last = int(before["day"]) + 1, int(night["day"])
    if not known(lake, first, last):
        data = lake.read_value(Dataset, ref_from(before["dataset"]))
        held = hold_out(lake_orders(lake, last, settings.night.engine), data, last, first, settings)
        scorers = {n: load_fitted(lake, r) for n, r in before["fits"].items() if r["status"] == "ok"}
        if not len(held.queries) or not scorers:
            why = f"Nobody with an id bought between {before['as_of']} and {night['as_of']}."
            return {"status": "none", "reason": why}
        barred, fallback = barred_products(data), popular_lately(data)
        store(lake, observe(scorers, held, settings.contest, night["as_of"], barred=barred, fallback=fallback))
    windows = weighed(lake, last, standing(lake).champion, settings.contest)
    return {
        "status": "ok",
        "nights": [w.night for w in windows],
        "customers": sum(len(w.ids) for w in windows),
        "best": best(windows[0]),
    }


def observe(
    scorers: Mapping[str, Scorer], held: HeldOut, contest: Contest, night: str, *, barred: Flags, fallback: Scorer
) -> Evidence:
    """Judge every scorer on the decision's track over the held-out days."""
    names = tuple(sorted(scorers))
    at = max(contest.at)
    rows = []
    for name in names:
        card = judge(name, scorers[name], held, contest, barred=barred, fallback=fallback)[contest.track]
        rows.append((card.values[contest.primary], card.values[f"revenue_at_{at}"]))
    return Evidence(
        names,
        np.array([v for v, _ in rows]),
        np.array([r for _, r in rows]),
        held.ids,
        held.first_day,
        held.last_day,
        night,
    )


def store(lake: Lake, evidence: Evidence) -> None:
    """Keep a window; whoever stored it first stays."""
    lake.put_value(_path(evidence.first_day, evidence.last_day), evidence)


def known(lake: Lake, first_day: int, last_day: int) -> bool:
    return lake.exists(_path(first_day, last_day))


def recent(lake: Lake, until_day: int, nights: int) -> list[Evidence]:
    """The last `nights` windows that end by `until_day`, newest first, each day counted once; only these are read."""
    kept: list[str] = []
    free = until_day  # the last day that is not counted yet
    for path in sorted(lake.paths(FOLDER), reverse=True):
        first_day, last_day = _days(path)
        if last_day <= free and len(kept) < nights:
            kept.append(path)
            free = first_day - 1
    return [lake.read_value(Evidence, path) for path in kept]


def weighed(lake: Lake, until_day: int, champion: str | None, contest: Contest) -> list[Evidence]:
    """The windows a decision rests on, newest first: so many as `evidence_nights` says, or as the power asks for.

    auto: the spread of the last FEWEST nights says how many find a contender LIFT better than the champion; what the
    contenders' differences are plays no part in it, only how much they vary.
    """
    if contest.evidence_nights != "auto":
        return recent(lake, until_day, contest.evidence_nights)
    pooled = pool(recent(lake, until_day, FEWEST))
    if pooled is None or champion is None or champion not in pooled.values:
        return recent(lake, until_day, FEWEST)
    tests = challenge(champion, set(pooled.values), pooled, contest)
    needed = strength(pooled, champion, tests, contest).get("nights_for", {LIFT: FEWEST})[LIFT]
    return recent(lake, until_day, max(needed or MOST_NIGHTS, FEWEST))


def pool(windows: Sequence[Evidence]) -> Pooled | None:
    """Rows of all windows under one another; a contender that was not there is n/a."""
    if not windows:
        return None
    names = sorted({name for w in windows for name in w.names})
    ids = np.concatenate([w.ids for w in windows])
    cluster = np.unique(ids.astype(str), return_inverse=True)[1].astype(np.int64)
    return Pooled(
        values={n: np.concatenate([_row(w, w.values, n) for w in windows]) for n in names},
        revenue={n: np.concatenate([_row(w, w.revenue, n) for w in windows]) for n in names},
        cluster=cluster,
        nights=tuple(w.night for w in windows),
    )


def best(window: Evidence) -> str | None:
    """Whom argmax would crown on this window alone: the highest mean, ties to the name that sorts first."""
    means = {name: float(np.nanmean(v)) for name, v in zip(window.names, window.values, strict=True) if (v == v).any()}
    return min(means, key=lambda name: (-means[name], name)) if means else None


def _row(window: Evidence, values: F64, name: str) -> F64:
    if name not in window.names:
        return np.full(len(window.ids), np.nan)
    row: F64 = values[window.names.index(name)]
    return row


def _path(first_day: int, last_day: int) -> str:
    return f"{FOLDER}/{last_day:08d}-{first_day:08d}.safetensors"


def _days(path: str) -> tuple[int, int]:
    """(first, last) day of a window, as its path says."""
    last, first = PurePosixPath(path).stem.split("-")
    return int(first), int(last)
