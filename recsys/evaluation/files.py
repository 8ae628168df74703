"""Plain CSV and Parquet files as columns: nothing is guessed, the first bad cell is named.

CSV is read as text and cast here; an automatic reader would turn an id 007 into 7 and a wrong number into nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import F64, I64, Texts
from recsys.errors import DataError, EmptyError, UsageError

CHUNK = 500_000  # rows held at a time
FORMATS = ".csv, .csv.gz, .tsv or .parquet"


def scan(path: Path) -> Any:
    """A polars LazyFrame of the file, all text for CSV. Raises UsageError for a missing file or another format."""
    import polars as pl

    if not path.is_file():
        raise UsageError(str(path), got="no such file", wanted=f"a {FORMATS} file")
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return pl.scan_parquet(path)
    if name.endswith((".csv", ".tsv")):
        return pl.scan_csv(path, infer_schema=False, separator="\t" if name.endswith(".tsv") else ",")
    raise UsageError(str(path), got=f"a {path.suffix or 'nameless'} file", wanted=FORMATS)


def names(path: Path, required: Sequence[str], cure: str = "") -> list[str]:
    """Column names of a file. Raises DataError when a required one is missing, EmptyError when there are no rows."""
    with _words(path):
        frame = scan(path)
        found: list[str] = frame.collect_schema().names()
        empty = frame.head(1).collect().is_empty()
    missing = [name for name in required if name not in found]
    if missing:
        raise DataError(str(path), got=f"columns {', '.join(found)}", wanted=f"a column {missing[0]}", cure=cure)
    if empty:
        raise EmptyError(f"{path}: the file has no rows", wanted="at least one")
    return found


def collect(path: Path, query: Any) -> Any:
    """The polars DataFrame of a lazy query on the file, streamed; the reader's errors in words."""
    with _words(path):
        return query.collect(engine="streaming")


def batches(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Any]]:
    """(number of the first row, polars DataFrame) of consecutive rows, CHUNK at a time."""
    first = 0
    with _words(path):
        for frame in scan(path).select(columns).collect_batches(chunk_size=CHUNK, maintain_order=True, lazy=True):
            yield first, frame
            first += len(frame)


def numbers(frame: Any, name: str, place: tuple[Path, int]) -> F64:
    """A column as float64; DataError names the first cell that is no number."""
    import polars as pl

    values = frame[name] if frame[name].dtype != pl.String else frame[name].str.strip_chars()
    cast = values.cast(pl.Float64, strict=False)
    _refuse(frame[name], cast.is_null(), place, "a number")
    return np.asarray(cast.to_numpy(), dtype=np.float64)


def integers(frame: Any, name: str, place: tuple[Path, int]) -> I64:
    """A column as int64; DataError names the first cell that is no whole number."""
    import polars as pl

    values = numbers(frame, name, place)
    _refuse(frame[name], pl.Series(values != np.floor(values)), place, "a whole number")
    return values.astype(np.int64)


def texts(frame: Any, name: str, place: tuple[Path, int]) -> Texts:
    """A column as text; DataError names the first empty cell."""
    import polars as pl

    values = frame[name].cast(pl.String)
    _refuse(frame[name], values.is_null() | (values == ""), place, "an id")
    return np.asarray(values.to_numpy(), dtype=object)


def keys(frame: Any, name: str, place: tuple[Path, int]) -> I64:
    """A stable 64-bit key per id: equal ids, equal keys, in every run."""
    from pandas.util import hash_array

    return np.asarray(hash_array(texts(frame, name, place)), dtype=np.uint64).view(np.int64)


def times(frame: Any, name: str, place: tuple[Path, int]) -> I64:
    """A column as epoch seconds: numbers as they are, ISO 8601 text read as UTC unless it names another zone."""
    import polars as pl

    values = frame[name]
    if values.dtype == pl.String:
        whole = values.cast(pl.Float64, strict=False)
        if whole.null_count():
            cast = values.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
            _refuse(values, cast.is_null(), place, "epoch seconds or a time like 2025-01-31T23:59:59Z")
            return np.asarray(cast.dt.epoch("s").to_numpy(), dtype=np.int64)
        values = whole
    if values.dtype.is_temporal():
        _refuse(values, values.is_null(), place, "a time")
        return np.asarray(values.cast(pl.Datetime("us")).dt.epoch("s").to_numpy(), dtype=np.int64)
    return numbers(frame, name, place).astype(np.int64)


def _refuse(values: Any, wrong: Any, place: tuple[Path, int], wanted: str) -> None:
    if not wrong.any():
        return
    path, first = place
    row = int(wrong.arg_max())
    where = f"{path}, row {first + row + 1}: column {values.name} ({int(wrong.sum())} such rows here)"
    raise DataError(where, got=repr(values[row]), wanted=wanted)


@contextmanager
def _words(path: Path) -> Iterator[None]:
    """The reader's own errors become a DataError that names the file."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        got = " ".join(str(error).split())[:200]
        raise DataError(f"{path} cannot be read", got=got, wanted=f"a sound {FORMATS} file") from None
