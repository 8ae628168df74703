"""The sequence of generations as it is read: entries, what they say now, the files of the one being served."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from recsys.data.lake import Lake, ref_from
from recsys.errors import StoreError

if TYPE_CHECKING:
    import polars as pl

FOLDER = "generations"


@dataclass(frozen=True)
class Entry:
    """One complete entry of the sequence. kind: publish | rollback | release."""

    number: int
    kind: str
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return name_of(self.number)

    @property
    def serves(self) -> str:
        """Name of the generation whose files are served while this entry is the newest."""
        return str(self.manifest.get("serves", self.name))


@dataclass(frozen=True)
class Standing:
    """Where the sequence stands: the newest entry, the generation served, the champion and what binds tonight."""

    number: int  # newest complete entry, 0 at the start
    served: Mapping[str, Any] | None  # manifest of the generation being served
    champion: str | None
    since: str | None  # as-of day the champion became champion
    barred: tuple[str, ...]  # contenders that may not be promoted
    held: bool  # publishing is held until `recsys champion release`
    wanted: str | None = None  # promoted by hand, not yet published


def entries(lake: Lake) -> Iterator[Entry]:
    """Complete entries, oldest first."""
    for manifest in lake.read_jsons(path for path in lake.paths(FOLDER) if path.endswith("/manifest.json")):
        yield Entry(int(manifest["number"]), str(manifest["kind"]), manifest)


def standing(lake: Lake) -> Standing:
    """What the sequence of generations says now."""
    return standing_of(list(entries(lake)))


def standing_of(history: Sequence[Entry]) -> Standing:
    """What a sequence, oldest first, says: for readers that have it already."""
    if not history:
        return Standing(0, None, None, None, (), False)
    newest, by_name = history[-1], {e.name: e for e in history}
    served = by_name[newest.serves].manifest
    champion = str(served["champion"])
    return Standing(
        number=newest.number,
        served=served,
        champion=champion,
        since=_since(history, champion, by_name),
        barred=tuple(newest.manifest.get("barred", ())),
        held=bool(newest.manifest.get("held", False)),
        wanted=newest.manifest.get("wanted"),
    )


def _since(history: Sequence[Entry], champion: str, by_name: Mapping[str, Entry]) -> str:
    since = str(by_name[history[-1].serves].manifest["as_of"])
    for entry in reversed(history):
        manifest = by_name[entry.serves].manifest
        if manifest["champion"] != champion:
            break
        since = str(manifest["as_of"])
    return since


def current(lake: Lake) -> Entry:
    """The generation being served, verified; raises StoreError when there is none or it is damaged."""
    history = {e.name: e for e in entries(lake)}
    if not history:
        raise StoreError("Nothing is published yet", cure="Run a night first: `recsys run` or `make demo`.")
    newest = max(history.values(), key=lambda e: e.number)
    return history[newest.serves]


def read_file(lake: Lake, entry: Entry, name: str) -> bytes:
    """One file of a generation; raises StoreError when it is not there or does not have its digest."""
    if name not in entry.manifest["files"]:
        raise StoreError(f"{entry.name} has no {name}", wanted=f"one of {', '.join(entry.manifest['files'])}")
    return lake.read(ref_from(entry.manifest["files"][name]))


def read_table(lake: Lake, entry: Entry, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """One Parquet file of a generation, or some of its columns; raises StoreError as `read_file` does."""
    import polars as pl

    return pl.read_parquet(BytesIO(read_file(lake, entry, name)), columns=list(columns) if columns else None)


def claimed(lake: Lake) -> set[int]:
    return {int(p.split("/")[1][4:]) for p in lake.paths(FOLDER) if p.endswith("/claim.json")}


def point(lake: Lake, entry: Entry) -> None:
    lake.point("CURRENT", json.dumps({"generation": entry.serves, "entry": entry.number}).encode())


def name_of(number: int) -> str:
    return f"gen-{number:06d}"


def folder_of(number: int) -> str:
    return f"{FOLDER}/{name_of(number)}"
