"""A segment's choice model as the newest generation published it: another size and other rules, without the models."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from recsys import publication
from recsys.assortment import parse
from recsys.assortment.instance import Instance
from recsys.assortment.read import instance_of
from recsys.data.lake import Lake
from recsys.errors import StoreError, UsageError

CHOICES, SUMMARY = "choices.json.gz", "assortment.json"


def segment_instance(lake: Lake, segment: str, size: int, constraints: Path | None = None) -> Instance:
    """The instance of one segment under at most `size` products and the rules of a file.

    Raises UsageError for a segment that was not planned, StoreError when the generation holds no assortment.
    """
    entry = publication.current(lake)
    if CHOICES not in entry.manifest["files"]:
        raise StoreError(f"{entry.name} holds no assortment", cure="Run a night: its report says what became of it.")
    choices: dict[str, Any] = json.loads(gzip.decompress(publication.read_file(lake, entry, CHOICES)))
    if segment not in choices:
        raise UsageError(f"Segment {segment!r}", got=_why_not(lake, entry, segment),
                         wanted=f"one of {', '.join(sorted(choices))}")  # fmt: skip
    rules = {} if constraints is None else parse.load(constraints)
    return instance_of({**choices[segment], "size": size, "constraints": rules}, f"{entry.name}, {segment}")


def _why_not(lake: Lake, entry: publication.Entry, segment: str) -> str:
    told = json.loads(publication.read_file(lake, entry, SUMMARY))
    reasons = {s["segment"]: s["reason"] for s in told["skipped"]}
    return str(reasons.get(segment, "no such segment"))
