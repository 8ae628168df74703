"""Rows that repeat or contradict each other within one source: one is kept, the others get a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recsys.data import schema

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import TableSource

LINE = ("order", "line", "customer", "product", "seller", "quantity", "price", "time", "kind")  # what makes a line
SHOWN = ("time", "visitor", "surface", "slate", "position", "product", "arm", "outcome")  # what makes an exposure
SAME: Mapping[str, tuple[str, ...]] = {"orders": LINE, "exposures": SHOWN}


def settle(rows: pl.DataFrame, table: str, source: TableSource) -> pl.DataFrame:
    """Give `reason` to repeated rows.

    Orders follow `source.duplicates`, a place of a slate shows one product once, keyed tables keep the latest row.
    """
    if table == "orders":
        return _one_day(_orders(rows, source))
    if table == "exposures":
        return _exposures(rows)
    return _keyed(rows, schema.KEYS[table])


def _orders(rows: pl.DataFrame, source: TableSource) -> pl.DataFrame:
    import polars as pl

    good = pl.col("reason").is_null()
    if source.duplicates != "keep":
        reason = "summed" if source.duplicates == "sum" else "duplicate"
        copy = good & ~pl.struct("raw", "reason").is_first_distinct()
        units = pl.col("quantity").sum().over("raw")
        rows = rows.with_columns(
            pl.when(copy).then(pl.lit(reason)).otherwise("reason").alias("reason"),
            (units if reason == "summed" else pl.col("quantity")).alias("quantity"),
        )
    line = good & pl.col("line").is_not_null()
    clash = line & (pl.col("raw").n_unique().over("order", "line", "reason") > 1)
    return rows.with_columns(pl.when(clash).then(pl.lit("conflict")).otherwise("reason").alias("reason"))


def _one_day(rows: pl.DataFrame) -> pl.DataFrame:
    """An order placed around midnight is of the later day: each order in exactly one day, no line before its time."""
    import polars as pl

    sale = pl.col("reason").is_null() & (pl.col("kind") == schema.SALE)
    days = pl.when(sale).then("day")
    last, first = (days.max().over("order"), days.min().over("order"))
    return rows.with_columns(pl.when(sale & (last - first == 1)).then(last).otherwise("day").alias("day"))


def _exposures(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    placed = pl.col("reason").is_null() & pl.col("slate").is_not_null()
    place = ("surface", "slate", "position", "reason")
    copy = placed & ~pl.struct("raw", *place).is_first_distinct()
    clash = placed & (pl.col("raw").n_unique().over(*place) > 1)
    reason = pl.when(clash).then(pl.lit("conflict")).when(copy).then(pl.lit("duplicate")).otherwise("reason")
    return rows.with_columns(reason.alias("reason"))


def _keyed(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    import polars as pl

    good = pl.col("reason").is_null()
    updated = pl.col("updated").fill_null(0)
    newest = updated == updated.max().over(key, "reason")
    latest = good & (pl.col("source_line") == pl.when(newest).then("source_line").max().over(key, "reason"))
    copy = pl.col("raw").n_unique().over(key, "reason") == 1
    reason = pl.when(copy).then(pl.lit("duplicate")).otherwise(pl.lit("superseded"))
    return rows.with_columns(pl.when(good & ~latest).then(reason).otherwise("reason").alias("reason"))


def known_lines(lines: pl.DataFrame, stored: pl.DataFrame, same: tuple[str, ...] = LINE) -> pl.Series:
    """Which of `lines` are in `stored` already (bool[n]): the n-th copy of a line is known if n copies are stored."""
    import polars as pl

    copy = pl.int_range(pl.len()).over(*same).alias("copy")
    have = stored.select(*same, copy).with_columns(pl.lit(True).alias("known"))
    keys = [*same, "copy"]
    found = lines.select(*same, copy).join(have, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return found["known"].fill_null(False)
