"""Any source as blocks of text cells: CSV, Parquet and SQL give the same thing to the casts.

A block's frame has the source's columns as text ("" = empty) plus `source_line`, `raw` and `refused` (a reason or
null); every record of the source is in exactly one block.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from recsys.data.content import Content, open_bytes, text_lines
from recsys.data.records import FIELD_SIZE, Grammar, Lines, Record, records, split
from recsys.errors import ConfigError, DataError, EmptyError

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import TableSource

BLOCK = 10_000  # records held as Python objects at a time
RAW = 2_000  # characters of a refused row that are kept
OTHER_DELIMITERS = (";", "\t", "|", ",")


@dataclass
class Blocks:
    """A source being read once: its header first, then its blocks; `rows_in` and `blank` grow with them."""

    where: str
    header: list[str]
    frames: Callable[[Sequence[str]], Iterator[pl.DataFrame]]  # of these columns only
    typed_times: frozenset[str] = frozenset()  # columns whose text is ISO whatever was declared
    nested: frozenset[str] = frozenset()  # columns that hold lists or structs
    rows_in: int = 0
    blank: int = 0
    digest: Any = field(default_factory=hashlib.sha256)  # of rows, for sources that are no file


def open_csv(content: Content, source: TableSource) -> Blocks:
    """Blocks of a CSV file; raises DataError for an encoding that is not the declared one, or no header."""
    encoding = _encoding(content, source.encoding)
    stream = text_lines(content, encoding)
    lines = Lines(stream, content.path)
    try:
        header = _header(lines, source.delimiter)
    except BaseException:
        stream.close()
        raise
    blocks = Blocks(content.path, header, lambda columns: frames(columns))

    def frames(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        found = records(lines, Grammar(source.delimiter, len(header)))
        used = lines.number - lines.blank  # the header
        with closing(stream):
            while block := list(itertools.islice(found, BLOCK)):
                blocks.rows_in += len(block)
                used += sum(r.text.count("\n") + 1 for r in block)
                yield _csv_frame(block, header, columns, source.delimiter, encoding)
        blocks.blank = lines.blank
        if "16" not in encoding and "32" not in encoding:
            _account(content, used, lines.blank)

    return blocks


def _account(content: Content, used: int, blank: int) -> None:
    """Every line counted on the bytes is in a record, the header or blank: the reader and the counter are strangers."""
    if used + blank != content.lines:
        raise DataError(
            f"{content.path}: lines were lost",
            got=f"{used:,} lines in rows and {blank:,} blank",
            wanted=f"{content.lines:,}",
            cure="Save the file with one kind of line end, or report this as a bug of ours.",
        )


def _encoding(content: Content, declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        raise ConfigError(
            "encoding", got=declared, wanted="a Python codec name", cure="Try utf-8, cp1252, latin-1 or utf-16."
        ) from None
    with open_bytes(content.path, content.packed) as stream:
        head = stream.read(4096)
    if not head:
        raise EmptyError(f"{content.path} is empty", got="0 bytes", wanted="a header and rows", cure="Export it again.")
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff") or head.count(0) > len(head) // 5
    if wide and not name.startswith(("utf-16", "utf-32")):
        raise DataError(
            f"{content.path} has another encoding",
            got="UTF-16",
            wanted=declared,
            cure='Set `encoding = "utf-16"` for this table in recsys.toml, or export it as UTF-8.',
        )
    return "utf-8-sig" if name == "utf-8" else name


def _header(lines: Lines, delimiter: str) -> list[str]:
    line = lines.take_filled()
    if line is None:
        raise EmptyError(f"{lines.path} is empty", got="blank lines only", wanted="a header and rows")
    if len(line) > FIELD_SIZE or _unclean(line) or not Grammar(delimiter, 1).is_whole(line):
        raise DataError(
            f"{lines.path}, line {lines.number}: the header cannot be read",
            got=ascii(line[:80]),
            wanted="column names of up to 64 KB, each quote closed, in the declared encoding",
        )
    names = split(line, delimiter)
    if len(names) == 1:
        for other in OTHER_DELIMITERS:
            if other != delimiter and len(line.split(other)) > 1:
                raise DataError(
                    f"{lines.path}, line {lines.number} is not separated by {delimiter!r}",
                    got=f"one column {line[:60]!r}",
                    wanted=f"cells separated by {delimiter!r}",
                    cure=f"Set `delimiter = {json.dumps(other)}` for this table in recsys.toml.",
                )
    return names


def _csv_frame(
    block: list[Record], header: list[str], wanted: Sequence[str], delimiter: str, encoding: str
) -> pl.DataFrame:
    import polars as pl

    block = _flag_unclean(block)
    good = [text for _, text, reason in block if not reason]
    cells = list(csv.reader(good, delimiter=delimiter, strict=True))
    if len(cells) != len(good):  # the counter and the reader are two programs: they must agree
        raise DataError("A block of rows was read twice with different counts", got=len(cells), wanted=len(good))
    raw = good
    if len(good) < len(block):
        rows, blank = iter(cells), [""] * len(header)
        cells = [blank if reason else next(rows) for _, _, reason in block]
        raw = [_shown(text, encoding) if reason else text for _, text, reason in block]
    columns = list(zip(*cells, strict=True))
    return pl.DataFrame(
        {name: pl.Series(columns[header.index(name)], dtype=pl.String) for name in wanted}
        | _origin([r.line for r in block], raw, [r.reason or None for r in block])
    )


def _flag_unclean(block: list[Record]) -> list[Record]:
    """Give a reason to records with NUL or with bytes that are no text; a clean block is seen at one glance."""
    if not _unclean("\n".join([r.text for r in block])):
        return block
    return [r if r.reason else r._replace(reason=_unclean(r.text)) for r in block]


def _origin(lines: Sequence[int], raw: Sequence[str], refused: Sequence[str | None]) -> dict[str, Any]:
    import polars as pl

    return {
        "source_line": pl.Series(lines, dtype=pl.Int64),
        "raw": pl.Series(raw, dtype=pl.String),
        "refused": pl.Series(refused, dtype=pl.String),
    }


def _unclean(text: str) -> str:
    if "\0" in text:
        return "control_char"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "encoding"
    return ""


def _shown(text: str, encoding: str) -> str:
    """A refused row as text that can be stored: undecodable bytes as \\xNN, the rest as it was, cut to 2,000."""
    return text[:RAW].encode(encoding, "surrogateescape").decode(encoding, "backslashreplace")


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


def open_sql(source: TableSource) -> Blocks:
    """Blocks of a query's rows, read through one cursor; raises DataError when the server or the query fails."""
    import sqlalchemy as sa

    where = "query"
    try:
        where += f" at {sa.make_url(source.url or '').render_as_string(hide_password=True)}"
        connection = sa.create_engine(source.url or "").connect().execution_options(stream_results=True)
        result = connection.execute(sa.text(source.query or ""))
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise _sql_error(where, error) from None
    header = list(result.keys())
    blocks = Blocks(where, header, lambda columns: frames(columns))

    def frames(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        with connection:
            while rows := _fetch(result, where):
                start = blocks.rows_in + 1
                blocks.rows_in += len(rows)
                yield _sql_frame([tuple(map(_text_of, row)) for row in rows], header, columns, start, blocks)
        connection.engine.dispose()

    return blocks


def _fetch(result: Any, where: str) -> Sequence[Any]:
    import sqlalchemy as sa

    try:
        return list(result.fetchmany(BLOCK))
    except sa.exc.SQLAlchemyError as error:
        raise _sql_error(where, error) from None


def _sql_error(where: str, error: Exception) -> DataError:
    return DataError(
        f"The {where} failed",
        got=" ".join(str(getattr(error, "orig", error)).split())[:300],
        wanted="rows",
        cure="Check `url` and `query` in recsys.toml; nothing of it was loaded, so it can be run again.",
    )


def _sql_frame(
    rows: list[tuple[str, ...]], header: list[str], columns: Sequence[str], start: int, blocks: Blocks
) -> pl.DataFrame:
    import polars as pl

    raw = [json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows]
    for text in raw:
        blocks.digest.update(text.encode(errors="replace") + b"\n")
    at = {name: header.index(name) for name in columns}
    return pl.DataFrame(
        {name: pl.Series([row[i] for row in rows], dtype=pl.String) for name, i in at.items()}
        | _origin(range(start, start + len(rows)), raw, [None] * len(rows))
    )


def _text_of(value: object) -> str:
    """A database value as the text a careful export would hold: decimals exact, times ISO."""
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return repr(value) if isinstance(value, float) else str(value)


def distinct(names: Iterable[str]) -> list[str]:
    """Names in order of first appearance."""
    return list(dict.fromkeys(names))
