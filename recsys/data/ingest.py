"""Sources into the lake: idempotent by content, partitioned by local day, and accounted for.

    orders/day=YYYY-MM-DD/<digest>.parquet   products/<digest>.parquet   customers/<digest>.parquet
    exposures/day=YYYY-MM-DD/<digest>.parquet
    quarantine/<table>/<digest>.parquet      ingests/<table>-<digest>.json

The ingest record is written last and names every file of its source: readers follow records, so what a killed ingest
left behind is never read, and the next run completes it.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.data.content import inspect
from recsys.data.engine import Engine, spark_lines
from recsys.data.frontdoor import Ingested, Report, read_table, with_rows
from recsys.data.lake import Lake, Ref, ref_from
from recsys.data.repeats import SAME, known_lines
from recsys.data.schema import DAILY, FIELDS, KEYS, ORIGIN, column_types
from recsys.errors import DataError, EmptyError, RecsysError

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import Settings, Shop, TableSource

EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class IngestReport:
    """What one ingest did: a report per file, and the message of every file that was refused."""

    files: tuple[Report, ...]
    refused: dict[str, str]
    first_day: int | None  # of all order lines in the lake, days since epoch
    last_day: int | None

    @property
    def rows_in(self) -> int:
        return sum(f.rows_in for f in self.files if not f.skipped)

    @property
    def accepted(self) -> int:
        return sum(f.accepted for f in self.files if not f.skipped)

    def json(self) -> dict[str, Any]:
        days = {"first_day": self.first_day, "last_day": self.last_day}
        return {"files": [f.json() for f in self.files], "refused": self.refused, **days}


def sources_of(settings: Settings) -> dict[str, TableSource]:
    """The sources recsys.toml gives, by table, with absolute paths."""
    given = {table: getattr(settings, table) for table in FIELDS if getattr(settings, table).given}
    return {
        table: source.model_copy(update={"path": settings.file(source.path)} if source.path else {})
        for table, source in given.items()
    }


def ingest(
    lake: Lake, sources: Mapping[str, TableSource], shop: Shop, *, now: int | None = None, strict: bool = True
) -> IngestReport:
    """Bring every file of `sources` (table -> source) into the lake that is not there yet.

    A refused file stops nothing: the others go in first; then, if `strict`, its DataError is raised. A log of
    exposures stops not even a strict night: what nobody can learn from only leaves experiments unread.
    """
    reports: list[Report] = []
    refused: dict[str, RecsysError] = {}
    grave: list[RecsysError] = []
    for table, source in sources.items():
        for one in expand(source):
            try:
                reports.append(_ingest_one(lake, one, table, shop, now))
            except DataError as error:
                refused[one.path or one.url or table] = error
                grave += [error] if table != "exposures" else []
    if strict and grave:
        raise grave[0]
    first, last = day_range(lake)
    return IngestReport(tuple(reports), {name: str(error) for name, error in refused.items()}, first, last)


def expand(source: TableSource) -> Iterator[TableSource]:
    """One source per file of a path or glob, in text order; raises DataError when there is none."""
    if not source.path:
        if source.url:
            yield source
        return
    found = [source.path] if Path(source.path).is_file() else sorted(glob.glob(source.path, recursive=True))
    if not found:
        raise DataError(
            "There is no file to ingest",
            got=source.path,
            wanted="a file or a pattern that matches some",
            cure="Check `path` in recsys.toml; it is relative to that file.",
        )
    for path in found:
        yield source.model_copy(update={"path": path})


def _ingest_one(lake: Lake, source: TableSource, table: str, shop: Shop, now: int | None) -> Report:
    if not source.url and (known := _known(lake, table, inspect(source.path or "").digest, source)):
        return known
    found = read_table(source, table, shop, now)
    if source.url and (known := _known(lake, table, found.report.digest, source)):
        return known
    found = _without_known(lake, found)
    report = _count_late(found, day_range(lake)[1])
    name = f"{report.digest}-{_settings(source, shop)}"
    refs = [*_store(lake, found, table, name)]
    quarantine = (
        lake.put_frame(f"quarantine/{table}/{name}.parquet", found.quarantined) if found.quarantined.height else None
    )
    record = {
        "report": report.json(),
        "number": len(list(_records(lake, table))),
        "settings": _settings(source, shop),
        "files": [ref.json() | {"day": day} for day, ref in refs],
        "quarantine": quarantine.json() if quarantine else None,
    }
    lake.put_json(_record_path(table, report.digest), record)
    return report


def _known(lake: Lake, table: str, digest: str, source: TableSource) -> Report | None:
    """The report of a content that is in the lake already, marked as skipped."""
    path = _record_path(table, digest)
    if not lake.exists(path):
        return None
    values = lake.read_json(path)["report"]
    values |= {"skipped": True, "extra_columns": tuple(values["extra_columns"]), "name": source.path or values["name"]}
    return Report(**values)


def _record_path(table: str, digest: str) -> str:
    return f"ingests/{table}-{digest}.json"


def _settings(source: TableSource, shop: Shop) -> str:
    """Digest of how a source is read, so that an unfinished ingest under other settings is never taken for ours."""
    text = source.model_dump_json(exclude={"path", "url", "query"}) + shop.model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _store(lake: Lake, found: Ingested, table: str, name: str) -> Iterator[tuple[int | None, Ref]]:
    if table not in DAILY:
        yield None, lake.put_frame(f"{table}/{name}.parquet", found.accepted)
        return
    for (day,), lines in sorted(found.accepted.partition_by("day", as_dict=True).items()):
        yield day, lake.put_frame(f"{table}/day={day_name(day)}/{name}.parquet", lines)


def _without_known(lake: Lake, found: Ingested) -> Ingested:
    """Rows that an overlapping file brought before go to quarantine: a line was sold once, a place shown once."""
    import polars as pl

    table = found.report.table
    if table not in DAILY or not found.accepted.height:
        return found
    days, same = set(found.accepted["day"].unique()), SAME[table]
    stored = [file for record in _records(lake, table) for file in record["files"] if file["day"] in days]
    if not stored:
        return found
    frames = [lake.read_frame(ref_from(file)).select(same) for file in stored]
    known = known_lines(found.accepted, pl.concat(frames), same)
    if not known.any():
        return found
    text = pl.struct(*same).struct.json_encode().alias("raw")
    again = found.accepted.filter(known).select(*ORIGIN, pl.lit("known_line").alias("reason"), text)
    return with_rows(found, found.accepted.filter(~known), pl.concat([found.quarantined, again]))


def _count_late(found: Ingested, last_day: int | None) -> Report:
    if last_day is None or found.report.table != "orders":
        return found.report
    late = int((found.accepted["day"] < last_day).sum())
    return dataclasses.replace(found.report, late=late)


def _records(lake: Lake, table: str) -> Iterator[Mapping[str, Any]]:
    yield from lake.read_jsons(path for path in lake.paths("ingests") if path.startswith(f"ingests/{table}-"))


def day_name(day: int) -> str:
    """Days since epoch as YYYY-MM-DD."""
    return date.fromordinal(EPOCH + day).isoformat()


def day_range(lake: Lake) -> tuple[int | None, int | None]:
    """First and last local day with order lines in the lake; None when there are none."""
    days = [file["day"] for record in _records(lake, "orders") for file in record["files"]]
    return (min(days), max(days)) if days else (None, None)


def lake_orders(lake: Lake, until_day: int, engine: Engine = "polars") -> Any:
    """Order lines of local days up to `until_day`, lazy in Polars or Spark; later partitions are not opened.

    Columns: `schema.column_types("orders")`. Every file is checked against its digest first. Raises EmptyError when
    there are none, StoreError for a damaged file.
    """
    files = [file for record in _records(lake, "orders") for file in record["files"] if file["day"] <= until_day]
    if not files:
        raise EmptyError(
            "The lake holds no order lines",
            got="0",
            wanted=f"some until {day_name(until_day)}",
            cure="Run `recsys ingest`, or choose a later day.",
        )
    refs = [ref_from(file) for file in files]
    return lake.scan_frames(refs) if engine == "polars" else spark_lines(lake.places(refs))


def lake_exposures(lake: Lake, until_day: int) -> pl.DataFrame | None:
    """Exposures of local days up to `until_day`, oldest first; None when none were ever given.

    Columns: `schema.column_types("exposures")`. Raises StoreError for a damaged file.
    """
    import polars as pl

    kept = [f for record in _records(lake, "exposures") for f in record["files"] if f["day"] <= until_day]
    columns = list(column_types("exposures"))
    frames = [lake.read_frame(ref_from(file)).select(columns) for file in kept]
    return pl.concat(frames).sort("time", "source", "source_line") if frames else None


def lake_table(lake: Lake, table: str) -> pl.DataFrame | None:
    """All accepted rows of products or customers, one per key, the latest ingest's; None when none was ever given."""
    import polars as pl

    records = sorted(_records(lake, table), key=lambda record: record["number"])
    frames = [lake.read_frame(ref_from(file)) for record in records for file in record["files"]]
    if not frames:
        return None
    return pl.concat(frames, how="diagonal").unique(KEYS[table], keep="last", maintain_order=True).sort(KEYS[table])
