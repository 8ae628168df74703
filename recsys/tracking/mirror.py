"""Mirror one night in MLflow, once; keep what could not be sent and send it later."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.errors import StoreError
from recsys.tracking.champion import model_name, point, point_challenger, register_champion
from recsys.tracking.connect import Book, not_reached, open_book, within
from recsys.tracking.runs import Json, close_abandoned, log_contender, log_summary

SPOOL = "spool"  # of the lake: the next night may run on another machine
LONGEST = 120.0  # seconds for a whole night's mirror; a server that is down costs ten at most
log = logging.getLogger(__name__)


def mirror(
    settings: Settings,
    lake: Lake,
    night: Json,
    backtests: Sequence[Json],
    decision: Json,
    published: Json,
    facts: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """Runs, leaderboard and champion version of one night; never raises.

    Done twice it changes nothing. When MLflow is away the night is spooled and sent by a later one; `note` says so.
    """
    told = {
        "night": dict(night),
        "backtests": list(backtests),
        "decision": dict(decision),
        "published": dict(published),
        "facts": dict(facts or {}),
    }
    done = _send(settings, lake, told)
    if done["status"] != "ok":
        return {**done, "spooled": _spool(lake, told)}
    return {**done, "replayed": replay(settings, lake)}


def replay(settings: Settings, lake: Lake) -> int:
    """Send the nights that were spooled, oldest first, until one fails; returns how many were sent."""
    sent = 0
    for path in list(lake.paths(SPOOL)):
        try:
            told = lake.read_json(path)
        except (StoreError, ValueError) as error:
            log.warning("%s cannot be read (%s): left where it is.", path, error)
            continue
        if _send(settings, lake, told)["status"] != "ok":
            break
        lake.remove(path)
        sent += 1
    return sent


def _send(settings: Settings, lake: Lake, told: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return within(LONGEST, lambda: _write(settings, lake, told))
    except Exception as error:  # whatever MLflow or the network raises: the night is published all the same
        note = not_reached(settings, error, "the night is published all the same")
        return {"status": "spooled", "note": note, "version": None, "page": ""}


def _write(settings: Settings, lake: Lake, told: Mapping[str, Any]) -> dict[str, Any]:
    night = told["night"]
    book = open_book(settings)
    close_abandoned(book, night)
    runs = {
        record["name"]: log_contender(book, settings, night, record, told, _epochs(lake, record))
        for record in told["backtests"]
    }
    summary = log_summary(book, settings, lake, told)
    version = _champion(book, settings, lake, told, runs, summary)
    note = f"{len(runs)} runs" + (f", champion version {version}" if version else "")
    return {
        "status": "ok",
        "note": note,
        "runs": runs,
        "summary": summary,
        "version": version,
        "experiment": book.experiment,
        "page": book.page,
    }


def _champion(
    book: Book, settings: Settings, lake: Lake, told: Mapping[str, Any], runs: Mapping[str, str], summary: str
) -> str | None:
    """Register the night's generation, if it published one, under the run of its contender; link both ways."""
    generation, name = told["published"].get("generation"), told["published"].get("champion")
    if not generation:
        if publication.standing(lake).served is not None:
            point(book, settings, lake)  # a rollback may have changed what is served
        return None
    record: Json = next((r for r in told["backtests"] if r["name"] == name), {})
    run = runs[str(name)] if record.get("status") == "ok" else summary
    version = register_champion(book, settings, lake, generation, told, record, run)
    point(book, settings, lake)
    if generation == publication.current(lake).name:  # a spooled night that is sent late says nothing about today
        point_challenger(book, settings, told["decision"])
    note = {"version": version, "run": run, "summary": summary, "page": book.page, "model": model_name(settings)}
    lake.point(f"mirror/{generation}.json", json.dumps(note).encode())
    return version


def _epochs(lake: Lake, record: Json) -> list[Json]:
    """What the contender's fit reported per epoch; the record that travels leaves it in the lake."""
    if not record.get("epochs") or "scorer" not in record:
        return []
    try:
        stored = lake.read_json(str(Path(record["scorer"]["path"]).parent / "record.json"))
    except StoreError:
        return []
    return list(stored.get("progress", ()))


def _spool(lake: Lake, told: Mapping[str, Any]) -> str:
    """Keep a night for later under its own name, so that a second try replaces the first; returns its path."""
    path = f"{SPOOL}/{told['night']['as_of']}-{told['night']['key']}.json"
    lake.point(path, json.dumps(told).encode())
    return path
