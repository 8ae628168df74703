"""The first rows of a file nobody described yet: its header, delimiter and encoding."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import DataError

ROWS, BYTES = 200, 2**18
KINDS = "order lines as CSV (plain or .gz) or Parquet; a database goes into [orders] url and query by hand"
BINARY = {b"PK\x03\x04": "a zip or spreadsheet file", b"SQLite format 3": "an SQLite database", b"%PDF": "a PDF file"}


@dataclass(frozen=True)
class Sample:
    """A header and up to 200 rows as text."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str = ","
    encoding: str = "utf-8"


def peek(file: Path) -> Sample:
    """Read the beginning of `file`; raises DataError when it is missing, empty or no table."""
    if not file.is_file():
        raise DataError(f"{file} {'is a folder' if file.is_dir() else 'does not exist'}", wanted=KINDS)
    if file.suffix == ".parquet":
        return _peek_parquet(file)
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            head = stream.read(BYTES)
    except (OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read", got=str(error), wanted=KINDS) from None
    text, encoding = _decode(head, file)
    lines = [line for line in text.splitlines()[: ROWS + 1] if line.strip()]
    if not lines:
        raise DataError(f"{file} is empty", wanted="a header and rows")
    delimiter = max(",;\t|", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=delimiter))
    return Sample(rows[0], rows[1:], delimiter, encoding)


def _decode(head: bytes, file: Path) -> tuple[str, str]:
    kind = next((name for magic, name in BINARY.items() if head.startswith(magic)), None)
    if kind or b"\0" in head:
        raise DataError(f"{file} is no table", got=kind or "a binary file", wanted=KINDS)
    whole = head[: head.rfind(b"\n") + 1] or head  # the cut may lie inside a character
    try:
        return whole.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return whole.decode("cp1252", errors="replace"), "cp1252"


def _peek_parquet(file: Path) -> Sample:
    import polars as pl

    try:
        table = pl.read_parquet(file, n_rows=ROWS)
    except Exception as error:  # whatever the reader finds wrong with it
        raise DataError(f"{file} is not a readable Parquet file", got=str(error).splitlines()[0][:120]) from None
    times = [c for c, t in table.schema.items() if t.is_temporal()]
    texts = table.with_columns(pl.col(c).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for c in times)
    rows = [["" if v is None else str(v) for v in row] for row in texts.iter_rows()]
    return Sample(list(table.columns), rows)
