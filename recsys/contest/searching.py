"""The search scorer of a night: fitted beside the contenders, judged by none of their rules, published as a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.config import Settings
from recsys.contest.fits import limits_of
from recsys.contest.record import Inputs, Record, fit_record
from recsys.data.lake import Lake, ref_from
from recsys.errors import FitError

FILE = "search.safetensors"
CONTENDER = {"family": "search", "settings": {}}
SECONDS = 120.0  # at most, whatever contenders are given: the champion's publication waits for it


def search_files(settings: Settings, lake: Lake, night: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, int]]:
    """(file of the generation, no table); raises FitError without titles, or where the fit fails."""
    if not settings.publishing.search or "backtest" in night:  # a night that is replayed serves nobody
        return {}, {}
    limits = limits_of(night) | {"fit_seconds": min(float(night["fit_seconds"]), SECONDS)}
    record: Record = fit_record(lake, "search", CONTENDER, Inputs(night["dataset"]), limits)
    if record["status"] != "ok":
        raise FitError("The search scorer", got=f"{record['status']}: {record['reason']}")
    return {FILE: lake.read(ref_from(record["scorer"]))}, {}
