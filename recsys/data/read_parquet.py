"""Parquet files as blocks of text cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from recsys.data.blocks import BLOCK, Blocks
from recsys.data.content import Content
from recsys.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def open_parquet(content: Content) -> Blocks:
    """Blocks of a Parquet file; raises DataError when it is damaged or a column cannot be text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(content.path, page_checksum_verification=True)
        kinds = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise _corrupt(content.path, error) from None
    times = frozenset(f.name for f in kinds if pa.types.is_temporal(f.type))
    nested = frozenset(f.name for f in kinds if pa.types.is_nested(f.type))
    blocks = Blocks(content.path, list(kinds.names), lambda columns: frames(columns), times, nested)

    def frames(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        for name in columns:
            _can_be_text(kinds.field(name), content.path)
        with closing(file):
            flat = [name for name in kinds.names if name not in nested]  # all of a row says what repeats it
            batches = file.iter_batches(batch_size=BLOCK, columns=flat)
            while (batch := _next_batch(batches, content.path)) is not None:
                start = blocks.rows_in + 1
                blocks.rows_in += batch.num_rows
                yield _parquet_frame(batch, start)
            _account_rows(content.path, blocks.rows_in, file.metadata.num_rows)

    return blocks


def _account_rows(path: str, read: int, declared: int) -> None:
    if read != declared:
        raise _corrupt(path, ValueError(f"{read:,} rows where its footer says {declared:,}"))


def _next_batch(batches: Iterator[Any], path: str) -> Any:
    import pyarrow as pa

    try:
        batch = next(batches, None)
        if batch is not None:
            batch.validate(full=True)
        return batch
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise _corrupt(path, error) from None


def _corrupt(path: str, error: Exception) -> DataError:
    return DataError(
        f"{path} is corrupt", got=str(error)[:200], wanted="a complete Parquet file", cure="Fetch or export it again."
    )


def _can_be_text(column: Any, path: str) -> None:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise DataError(
            f"{path}, column {column.name!r} does not keep its contract",
            got=f"type {column.type}",
            wanted="text, a number, a time or true/false",
            cure="Flatten the column before the export.",
        )


def _parquet_frame(batch: Any, start: int) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(batch))
    text = frame.select(_as_text(frame[name]) for name in frame.columns)
    raw = text.select(pl.struct(pl.all()).struct.json_encode().alias("raw"))["raw"]
    n = frame.height
    return text.with_columns(
        pl.int_range(start, start + n, dtype=pl.Int64).alias("source_line"),
        raw,
        pl.lit(None, pl.String).alias("refused"),
    )


def _as_text(column: pl.Series) -> pl.Series:
    import polars as pl

    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        zone = "Z" if kind.time_zone else ""
        column = column.dt.convert_time_zone("UTC") if zone else column
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + zone).fill_null("")
    return column.cast(pl.String).fill_null("")
