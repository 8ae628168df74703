"""The rows of a query as blocks of text cells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from recsys.data.blocks import BLOCK, Blocks, origin
from recsys.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import TableSource


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
                yield _sql_frame([tuple(map(text_of, row)) for row in rows], header, columns, start, blocks)
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
        | origin(range(start, start + len(rows)), raw, [None] * len(rows))
    )


def text_of(value: object) -> str:
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
