"""Tonight's assortments: which products each segment should carry, keep, add and drop, fed by whoever is champion.

A choice scorer gives its probabilities in the segment's next market; any other champion is calibrated first
(`chances`) and stands in the table under that name. Segments with too few orders are left out, with the reason.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.assortment.instance import Instance, shares, value
from recsys.assortment.optimise import optimise
from recsys.assortment.plan import changes
from recsys.assortment.rules import Constraints, rules_of
from recsys.assortment.state import stated
from recsys.config import Settings
from recsys.contest.chances import calibrate
from recsys.contest.night import champion_record, folder
from recsys.contest.offered import Feed, Market, choice_feed, markets, recommender_feed
from recsys.contest.plain import plain
from recsys.contest.record import Record, key_of, load_fitted
from recsys.contract import Dataset, Scorer
from recsys.data.lake import Lake, ref_from
from recsys.data.split import HeldOut
from recsys.errors import RecsysError
from recsys.scorers.choice import ChoiceScorer

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]
FEW = 0.05  # customers who buy nothing, under which a set is to be taken with care
ENTRIES = 400_000_000  # for the searches of all segments together, some 8 s; what is not proven then keeps its gap
SECONDS = 60.0  # where a machine is so slow that the clock has to end them: told as a note
TABLE, CHOICES, SUMMARY = "assortment.parquet", "choices.json.gz", "assortment.json"


def nightly(
    settings: Settings,
    lake: Lake,
    night: Json,
    champion: str | None,
    fits: Sequence[Json],
    backtests: Sequence[Json],
) -> Json:
    """Facts of the step, its tables stored under the night's folder; nothing is fitted here."""
    from recsys.contest.generation import popular_lately

    if champion is None:
        return {"status": "none", "reason": "Nobody is champion, so nobody can say what sells together."}
    record, _ = champion_record(lake, champion, {r["name"]: r for r in fits}, night)
    judged = next((r for r in backtests if r["name"] == champion and r["status"] == "ok"), None)
    inputs = [record["scorer"], judged and judged["scorer"], settings.publishing.assortment]
    place = f"{folder(night)}/assortment-{key_of(*inputs)}"
    known: Json | None = lake.known(f"{place}/{SUMMARY}")
    if known is not None:
        return known
    data = lake.read_value(Dataset, ref_from(night["dataset"]))
    scorer, fallback = load_fitted(lake, record), popular_lately(data)
    if isinstance(scorer, ChoiceScorer):
        feed, told = choice_feed(scorer, champion), {"kind": "choice"}
    else:
        feed, told = _calibrated(settings, lake, night, (champion, scorer, fallback), data, judged)
    found = plan(data, feed, settings, ENTRIES)
    return _store(lake, place, found, {**told, "champion": champion, "size": settings.publishing.assortment})


def plan(data: Dataset, feed: Feed, settings: Settings, work: int) -> list[Json]:
    """One entry per segment: the answer, its table of changes and the instance it was found for.

    The segments share `work` table entries (`assortment.budget`) alike, so that a slower machine plans the same.
    """
    chosen, skipped = markets(data, settings)
    size, entries, end = settings.publishing.assortment, [], time.monotonic() + SECONDS
    for left, market in zip(range(len(chosen), 0, -1), chosen, strict=True):
        try:
            seconds = max(end - time.monotonic(), 0.0) / left
            entries.append(_planned(market, feed, size, (seconds, work // len(chosen))))
        except RecsysError as error:
            entries.append({"segment": market.name, "orders": market.orders, "reason": str(error)})
    return entries + skipped


def _planned(market: Market, feed: Feed, size: int, limits: tuple[float, int]) -> Json:
    instance = replace(feed(market), current=market.current)
    capped = replace(instance, rules=rules_of(Constraints(size=size), market.traits))
    found = optimise(capped, *limits)
    table = changes(capped, market.current, found)
    today = value(instance, market.current)
    return {
        "segment": market.name,
        "orders": market.orders,
        "products": instance.n,
        "model": instance.model.value,
        "source": instance.source,
        "objective": instance.objective,
        "value": found.value,
        "value_today": today,
        "bound": found.bound,
        "gap": found.gap,
        "status": found.status,
        "method": found.method,
        "buyers": float(found.shares.sum()),
        "binding": [asdict(b) for b in found.binding],
        "notes": [*found.notes, *_few_leave(instance)],
        **{action: sum(c.action == action for c in table) for action in ("keep", "add", "drop")},
        "changes": [asdict(c) for c in table],
        "choices": stated(instance, market.traits),
    }


def _few_leave(instance: Instance) -> list[str]:
    """A word of caution where the choice model hardly knows an empty hand."""
    leaves = 1 - float(shares(instance, np.ones(instance.n, dtype=bool)).sum())
    if leaves >= FEW:
        return []
    return [f"With everything on offer {1 - leaves:.1%} of customers buy: almost everybody buys, so what a missing "
            "product loses is understated and a few dear ones look best."]  # fmt: skip


def _calibrated(
    settings: Settings,
    lake: Lake,
    night: Json,
    champion: tuple[str, Scorer, Scorer],
    data: Dataset,
    backtest: Record | None,
) -> tuple[Feed, Json]:
    """The champion by its backtest's calibration; where it has none, what sells lately feeds the table instead."""
    from recsys.contest.generation import popular_lately

    name, scorer, fallback = champion
    train = lake.read_value(Dataset, ref_from(night["train"]))
    held = lake.read_value(HeldOut, ref_from(night["held"]))
    before = popular_lately(train)
    judged = before
    if backtest is not None:
        judged = load_fitted(lake, backtest)
    else:
        name, scorer = f"popular lately in the segment ({name} has no backtest to be calibrated on)", fallback
    days = settings.publishing.active_days
    found = calibrate(judged, train, held, days, before)
    source = f"calibrated probabilities of {name}"
    return recommender_feed(scorer, data, found, fallback, days, source), {"kind": "recommender", "calibration": found}


def _store(lake: Lake, place: str, found: list[Json], told: Json) -> Json:
    planned = [entry for entry in found if "changes" in entry]
    refs: Json = {}
    if planned:
        rows = [_row(entry, change) for entry in planned for change in entry["changes"]]
        refs["assortment"] = lake.put_frame(f"{place}/{TABLE}", _frame(rows)).json()
        choices = {entry["segment"]: entry["choices"] for entry in planned}
        blob = gzip.compress(json.dumps(choices, separators=(",", ":")).encode(), 6, mtime=0)
        refs["choices"] = lake.put_new(f"{place}/{CHOICES}", blob, len(choices)).json()
    kept = [{k: v for k, v in entry.items() if k not in ("changes", "choices")} for entry in found]
    summary = {
        "status": "ok" if planned else "none",
        "reason": _words(planned, len(found) - len(planned), told),
        **told,
        "segments": [e for e in kept if "value" in e],
        "skipped": [e for e in kept if "value" not in e],
        "tables": refs,
        "metrics": _metrics(planned),
    }
    stored: Json = lake.once(f"{place}/{SUMMARY}", lambda: plain(summary))
    return stored


def _words(planned: list[Json], skipped: int, told: Json) -> str:
    left = f"{skipped} too small or without an answer" if skipped else "none left out"
    if not planned:
        return f"No segment could be planned: {left}."
    adds, drops = (sum(e[a] for e in planned) for a in ("add", "drop"))
    return (f"{len(planned)} segments planned at {told['size']} products each by {planned[0]['source']}: "
            f"{adds} to add, {drops} to drop; {left}.")  # fmt: skip


def _metrics(planned: list[Json]) -> dict[str, float]:
    if not planned:
        return {}
    gains = [e["value"] / e["value_today"] - 1 for e in planned if e["value_today"] > 0]
    return {
        "assortment_segments": float(len(planned)),
        "assortment_gain": float(np.mean(gains)) if gains else 0.0,
        "assortment_gap": float(max(e["gap"] for e in planned)),
    }


def _row(entry: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    return {
        "segment": entry["segment"],
        "product": change["product"],
        "action": change["action"],
        "value": change["value"],
        "share_before": change["share_before"],
        "share_after": change["share_after"],
        "share_change": change["share_after"] - change["share_before"],
        "gap": entry["gap"],
        "reason": change["reason"],
        "source": entry["source"],
    }


def _frame(rows: list[Json]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, infer_schema_length=None)
