"""Which night a run is about: what a person looks up from Airflow's run page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from recsys.data.lake import Lake

Json = dict[str, Any]


def remember(lake: Lake, night: Mapping[str, Any], decision: str | None = None) -> None:
    """Note the night of a run, and its decision once it is taken; a later try replaces the note."""
    note = {"as_of": night["as_of"], "key": night["key"], "decision": decision}
    lake.point(_path(night["run"]), json.dumps(note).encode())


def note_of(lake: Lake, run: str) -> Json | None:
    """as_of, key and decision (a path, None until it is taken) of a run; None for one that has not begun."""
    path = _path(run)
    if not lake.exists(path):
        return None
    note: Json = lake.read_json(path)
    return note


def _path(run: str) -> str:
    return f"runs/{quote(str(run)[:200], safe='')}.json"
