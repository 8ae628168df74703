"""A contender's fit of tonight: warm from yesterday's state, a blend's parts before it, each fitted once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.config import Settings
from recsys.contest.blending import is_blend, lend, parts_of
from recsys.contest.record import Inputs, Record, fit_record
from recsys.contest.tuned import entry
from recsys.data.lake import Lake

LIMITS = ("seed", "fit_seconds", "fit_memory_mb")


def fit_contender(
    settings: Settings,
    lake: Lake,
    night: Mapping[str, Any],
    name: str,
    dataset: Record,
    last: Mapping[str, Record],
) -> Record:
    """The record of one fit on a stored dataset; `last` are yesterday's records, to start warm from."""

    def fit_part(part: str, data: Record, warm: bool) -> Record:
        known = last.get(part, {}) if warm else {}
        start = known.get("state") if known.get("status") == "ok" else None
        return fit_record(lake, part, entry(settings, lake, night, part), Inputs(data, start), limits_of(night))

    if not is_blend(settings, name):
        return fit_part(name, dataset, True)
    lent = lend(lake, parts_of(settings, name, night["contenders"]), dataset, fit_part)
    return fit_record(lake, name, entry(settings, lake, night, name), Inputs(dataset, parts=lent), limits_of(night))


def limits_of(night: Mapping[str, Any]) -> dict[str, Any]:
    """What every fit of the night is held to: seed, seconds, megabytes."""
    return {name: night[name] for name in LIMITS}
