"""The front door: a source's bytes become accepted rows and quarantined rows, and not one row more or less.

    bytes check -> header contract -> cells as text -> typed casts -> accepted | quarantined with a reason

A file that cannot be trusted as a whole is refused with a DataError: where, got, wanted, cure; nothing of it is used.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recsys.data import schema
from recsys.data.blocks import Blocks, distinct
from recsys.data.casts import cast
from recsys.data.content import Content, confirm, inspect
from recsys.data.header import Header, match_header
from recsys.data.oddities import count_oddities
from recsys.data.read_csv import open_csv
from recsys.data.read_parquet import open_parquet
from recsys.data.read_sql import open_sql
from recsys.data.reading import Reading, check_reading
from recsys.data.repeats import settle
from recsys.data.times import prepare_times
from recsys.errors import DataError, EmptyError

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import Shop, TableSource


@dataclass(frozen=True)
class Report:
    """What happened to one source; JSON-ready through `json`."""

    table: str
    name: str
    sha256: str
    rows_in: int
    accepted: int
    quarantined: dict[str, int] = field(default_factory=dict)  # by reason
    kinds: dict[str, int] = field(default_factory=dict)  # of order lines: sale, return, non_product
    warnings: dict[str, int] = field(default_factory=dict)  # accepted, but worth a look
    extra_columns: tuple[str, ...] = ()
    guests: int = 0  # accepted order lines without a customer
    late: int = 0  # of days before the last day the lake had
    blank: int = 0  # blank lines, counted apart
    first_day: int | None = None
    last_day: int | None = None
    skipped: bool = False  # its content was in the lake already

    @property
    def digest(self) -> str:
        return self.sha256[:16]

    def json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Ingested:
    """Every row of a source: accepted (typed, see `schema.column_types`) or quarantined (see `schema.QUARANTINE`)."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    report: Report


def read_table(source: TableSource, table: str, shop: Shop, now: int | None = None) -> Ingested:
    """Read one file or query against the contract of `table` (a key of `schema.FIELDS`).

    Pure: touches nothing but the source. `now` (epoch seconds) is what future times are measured against. Raises
    DataError when the source as a whole cannot be trusted, EmptyError when an order file holds no rows.
    """
    reading = Reading(source, shop, int(time.time()) if now is None else now)
    check_reading(reading)
    if source.url:
        blocks = open_sql(source)
        return _read(blocks, table, reading, None)
    content = inspect(source.path or "")
    blocks = open_parquet(content) if content.form == "parquet" else open_csv(content, source)
    found = _read(blocks, table, reading, content)
    confirm(content)
    return found


def _read(blocks: Blocks, table: str, reading: Reading, content: Content | None) -> Ingested:
    import polars as pl

    header = match_header(blocks.header, table, reading.source, blocks.where, blocks.nested)
    if blocks.typed_times & {header.columns[f.name] for f in header.fields if f.kind == "time"}:
        reading = dataclasses.replace(reading, source=reading.source.model_copy(update={"time_format": "iso"}))
    warnings: dict[str, int] = {}
    typed = [*_typed(blocks, header, reading, warnings)]
    digest = content.sha256 if content else blocks.digest.hexdigest()
    rows = pl.concat(typed) if typed else _no_rows(header)
    if not rows.height and table == "orders" and not reading.source.allow_empty:
        raise EmptyError(
            f"{blocks.where} holds no order lines",
            got="a header only",
            wanted="at least one row",
            cure="Set `allow_empty = true` for this table if that can happen.",
        )
    rows = settle(rows, table, reading.source).with_columns(pl.lit(digest[:16]).alias("source"))
    found = _divide(rows, table, header, blocks, digest, warnings)
    _refuse_too_many(found, reading.source.max_bad_share, blocks.where)
    return found


def _typed(blocks: Blocks, header: Header, reading: Reading, warnings: dict[str, int]) -> Iterator[pl.DataFrame]:
    """Blocks with the contract's columns, typed; `reason` is the first thing wrong with a row, or null."""
    import polars as pl

    needed = distinct(header.columns.values())
    for block in blocks.frames(needed):
        text = block.select(
            *[pl.col(column).alias(name) for name, column in header.columns.items()], "source_line", "raw", "refused"
        )
        _add(warnings, count_oddities(text.filter(pl.col("refused").is_null()), header))
        for time_field in (f.name for f in header.fields if f.kind == "time"):
            text, clocks = prepare_times(text, time_field, reading)
            _add(warnings, clocks)
        made = [expression for f in header.fields for expression in cast(f, reading)]
        attributes = [pl.when(pl.col(a) != "").then(pl.col(a)).alias(a) for a in header.attributes]
        yield _of_shop(text.select("source_line", "raw", "refused", *attributes, *made), header, reading)


def _of_shop(typed: pl.DataFrame, header: Header, reading: Reading) -> pl.DataFrame:
    """Settle reasons, add missing columns; for orders the line's kind and its local day."""
    import polars as pl

    if header.table == "orders":
        typed = typed.with_columns(_kind(reading)).with_columns(
            pl.when(pl.col("kind") == schema.RETURN).then(-pl.col("quantity").abs()).otherwise("quantity"),
            pl.when((pl.col("kind") != schema.NON_PRODUCT) | (pl.col("price:reason") != "price<0")).then(
                "price:reason"
            ),
        )
    if header.table in schema.DAILY:
        typed = typed.with_columns(local_day(pl.col("time"), reading.shop.timezone).alias("day"))
    reasons = [f"{f.name}:reason" for f in header.fields]
    typed = typed.with_columns(pl.coalesce("refused", *reasons).alias("reason"))
    types = schema.column_types(header.table)
    missing = {f.name: f.default for f in schema.FIELDS[header.table] if f.name in types}
    return typed.select(
        *[
            (pl.col(name) if name in typed.columns else pl.lit(missing.get(name))).cast(kind).alias(name)
            for name, kind in types.items()
            if name != "source"
        ],
        *header.attributes,
        "raw",
        "reason",
    )


def _kind(reading: Reading) -> pl.Expr:
    import polars as pl

    barred = reading.shop.non_products
    non_product = pl.col("product").is_in(list(barred.codes))
    for pattern in barred.patterns:
        non_product = non_product | pl.col("product").str.contains(pattern)
    back = pl.col("quantity") < 0
    if reading.source.cancelled_prefix:
        back = back | pl.col("order").str.starts_with(reading.source.cancelled_prefix)
    kind = pl.when(non_product).then(pl.lit(schema.NON_PRODUCT)).when(back).then(pl.lit(schema.RETURN))
    return kind.otherwise(pl.lit(schema.SALE)).alias("kind")


def local_day(epoch: pl.Expr, zone: str) -> pl.Expr:
    """Days since 1970-01-01 of the local calendar day an epoch second falls in, int32."""
    import polars as pl

    return pl.from_epoch(epoch, "s").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date().cast(pl.Int32)


def _no_rows(header: Header) -> pl.DataFrame:
    import polars as pl

    types = {name: kind for name, kind in schema.column_types(header.table).items() if name != "source"}
    text = dict.fromkeys([*header.attributes, "raw", "reason"], pl.String)
    return pl.DataFrame(schema={**types, **text})


def _divide(
    rows: pl.DataFrame, table: str, header: Header, blocks: Blocks, digest: str, warnings: dict[str, int]
) -> Ingested:
    import polars as pl

    good = pl.col("reason").is_null()
    accepted = rows.filter(good).select(*schema.column_types(table), *header.attributes)
    quarantined = rows.filter(~good).select(*schema.QUARANTINE).with_columns(pl.col("raw").str.slice(0, 2000))
    if accepted.height + quarantined.height != blocks.rows_in:
        raise DataError(
            f"Rows of {blocks.where} were lost",
            got=f"{accepted.height:,} accepted + {quarantined.height:,} quarantined",
            wanted=f"{blocks.rows_in:,}",
            cure="This is a bug of ours: please report it.",
        )
    schema.check(accepted, table)
    report = Report(
        table=table,
        name=blocks.where,
        sha256=digest,
        rows_in=blocks.rows_in,
        accepted=accepted.height,
        warnings={k: v for k, v in sorted(warnings.items()) if v},
        extra_columns=header.extra,
        blank=blocks.blank,
    )
    return with_rows(Ingested(accepted, quarantined, report), accepted, quarantined)


def with_rows(found: Ingested, accepted: pl.DataFrame, quarantined: pl.DataFrame) -> Ingested:
    """The same source divided otherwise, with the counts of its report made anew."""
    counts: dict[str, Any] = {"accepted": accepted.height, "quarantined": _counts(quarantined["reason"])}
    if found.report.table == "orders":
        counts |= {
            "kinds": _counts(accepted["kind"]),
            "guests": accepted["customer"].null_count(),
        }
    if found.report.table in schema.DAILY:
        counts |= {"first_day": _whole(accepted["day"].min()), "last_day": _whole(accepted["day"].max())}
    return Ingested(accepted, quarantined, dataclasses.replace(found.report, **counts))


def _refuse_too_many(found: Ingested, allowed: float, where: str) -> None:
    report = found.report
    bad = {reason: n for reason, n in report.quarantined.items() if reason not in schema.REPEATS}
    n = sum(bad.values())
    if n <= allowed * report.rows_in:
        return
    worst = max(bad, key=lambda reason: bad[reason])
    row = found.quarantined.filter(found.quarantined["reason"] == worst).row(0, named=True)
    first = f"the first {worst} is line {row['source_line']}, {row['raw'][:120]!r}"
    raise DataError(
        f"Too many bad rows in {where} (too_many_bad); {first}",
        got=f"{n:,} of {report.rows_in:,} rows refused: " + ", ".join(f"{k} {v:,}" for k, v in bad.items()),
        wanted=f"at most {allowed:.0%} (`max_bad_share`)",
        cure=schema.REASONS[worst],
    )


def _counts(column: pl.Series) -> dict[str, int]:
    values, counts = column.value_counts().get_columns()
    return dict(sorted(zip(values.to_list(), counts.to_list(), strict=True), key=lambda pair: (-pair[1], pair[0])))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, n in more.items():
        total[name] = total.get(name, 0) + n
