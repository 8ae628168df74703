"""recsys.steps with nothing behind it: what each task was given is written down, and some contenders misbehave."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from recsys.errors import DataError

CALLS = Path(os.environ.get("FAKE_CALLS", "/dev/null"))
FAULTS = json.loads(os.environ.get("FAKE_FAULTS", "{}"))  # step or step:contender -> the error it raises
ERRORS = {"memory": MemoryError("out of memory"), "data": DataError("orders.csv", got="no header")}


def _call(name: str, *inputs: Any) -> None:
    with CALLS.open("a") as file:
        file.write(json.dumps([name, json.loads(json.dumps(inputs, default=list))]) + "\n")
    if name in FAULTS:
        raise ERRORS[FAULTS[name]]


def start_night(params: dict[str, Any]) -> dict[str, Any]:
    _call("start_night", params)
    return {"as_of": "2011-12-08", "contenders": params["contenders"], "seed": 0}


def ingest(night: dict[str, Any]) -> dict[str, Any]:
    _call("ingest", night)
    return {**night, "lake": "v1"}


def prepare(night: dict[str, Any]) -> dict[str, Any]:
    _call("prepare", night)
    return {**night, "dataset": {"path": "datasets/x", "sha256": "0" * 64}, "note": ""}


def judge(night: dict[str, Any]) -> dict[str, Any]:
    _call("judge", night)
    return {"nights": []}


def backtest(night: dict[str, Any], contender: str) -> dict[str, Any]:
    _call(f"backtest:{contender}", night, contender)
    return {"name": contender, "status": "ok"}


def experiments(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("experiments", night, *others)
    return {"status": "none"}


def demand(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("demand", night, *others)
    return {"status": "none"}


def assort(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("assort", night, *others)
    return {"status": "none"}


def decide(night: dict[str, Any], records: list[dict[str, Any]], *others: Any) -> dict[str, Any]:
    _call("decide", night, records, *others)
    return {"champion": records[0]["name"], "action": "promote", "reasons": []}


def settle(night: dict[str, Any], decision: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    _call("settle", night, decision, answer)
    return decision


def push(generation: str | None = None) -> dict[str, Any]:
    _call("push", generation)
    return {"generation": generation, "rows": 3}


def eligible(backtests: list[dict[str, Any]], decision: dict[str, Any]) -> list[str]:
    _call("eligible", backtests, decision)
    return [record["name"] for record in backtests if record["status"] == "ok"]


def fit(night: dict[str, Any], contender: str) -> dict[str, Any]:
    _call(f"fit:{contender}", night, contender)
    return {"name": contender, "status": "ok"}


def blend(night: dict[str, Any], backtests: list[dict[str, Any]], fits: list[dict[str, Any]]) -> dict[str, Any]:
    _call("blend", night, backtests, fits)
    return {}


def publish(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("publish", night, *others)
    return {"generation": 1, "current": True}


def register(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("register", night, *others)
    return {"version": 1}


def report(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("report", night, *others)
    return {}


def tidy(night: dict[str, Any], *others: Any) -> dict[str, Any]:
    _call("tidy", night, *others)
    return {}
