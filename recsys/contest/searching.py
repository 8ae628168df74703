"""The search scorer of a night: fitted beside the contenders, judged by none of their rules, published as a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.config import Settings
from recsys.contest.record import Record, fit_record
from recsys.data.lake import Lake, ref_from

FILE = "search.safetensors"
CONTENDER = {"family": "search", "settings": {}}
LIMITS = ("seed", "fit_seconds", "fit_memory_mb")


def search_files(settings: Settings, lake: Lake, night: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, str]]:
    """(file of the generation, a word for its manifest); without titles, or where the fit fails, there is no file."""
    if not settings.publishing.search or "backtest" in night:  # a night that is replayed serves nobody
        return {}, {}
    record: Record = fit_record(lake, "search", CONTENDER, night["dataset"], {name: night[name] for name in LIMITS})
    if record["status"] != "ok":
        return {}, {"search": f"{record['status']}: {record['reason']}"}
    return {FILE: lake.read(ref_from(record["scorer"]))}, {"search": "ok"}
