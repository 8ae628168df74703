"""Markets: segment x period. Which period a day is in, which segments are large enough to stand alone, how many
people a market has."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from recsys.config import Markets

if TYPE_CHECKING:
    import polars as pl

OTHER = "~other"  # segments too small to stand alone; sorts after every name
EPOCH = date(1970, 1, 1)
MONDAY = 3  # day 0 of the epoch was a Thursday


def period_name(day: int, period: str) -> str:
    """Name of the period a day (since 1970-01-01) is in: its first day, or the month; text order is time order."""
    at = EPOCH + timedelta(days=day)
    if period == "month":
        return f"{at:%Y-%m}"
    return f"{EPOCH + timedelta(days=first_day(day, period)):%Y-%m-%d}"


def first_day(day: int, period: str) -> int:
    """First day of the period a day is in."""
    if period == "day":
        return day
    if period == "week":
        return day - (day + MONDAY) % 7
    return ((EPOCH + timedelta(days=day)).replace(day=1) - EPOCH).days


def with_market(lines: pl.DataFrame, settings: Markets) -> pl.DataFrame:
    """Lines with columns `pooled` (segment or ~other), `period` (its first day, since 1970-01-01) and `market` (id).

    Which segments are pooled is read off the lines themselves: those with less than `least_segment` of the units.
    """
    import polars as pl

    days = lines["day"].unique().to_list()
    names = pl.DataFrame(
        {
            "day": pl.Series(days, dtype=lines.schema["day"]),
            "period": pl.Series([first_day(d, settings.period) for d in days], dtype=pl.Int64),
            "period_name": [period_name(d, settings.period) for d in days],
        },
        schema_overrides={"period_name": pl.String},
    )
    lines = lines.join(names, on="day", how="left", maintain_order="left")
    if "pooled" not in lines.columns:
        units = lines.group_by("segment").agg(pl.col("quantity").sum())
        large = units.filter(pl.col("quantity") >= settings.least_segment * pl.col("quantity").sum())["segment"]
        alone = pl.col("segment").is_in(large.implode())
        lines = lines.with_columns(pooled=pl.when(alone).then("segment").otherwise(pl.lit(OTHER)))
    return lines.with_columns(market=pl.format("{}@{}", "pooled", "period_name")).drop("period_name")


def market_sizes(lines: pl.DataFrame, settings: Markets, visitors: pl.DataFrame | None = None) -> pl.DataFrame:
    """(market, size): visitors where they are known, else a multiple of the segment's busiest period.

    `lines` carry pooled and market; `visitors` has columns market and size.
    """
    import polars as pl

    counted = pl.col("quantity").sum() if settings.size == "units" else pl.col("customer").n_unique()
    busy = lines.group_by("pooled", "market").agg(active=counted.cast(pl.Float64))
    sizes = busy.with_columns(size=settings.size_multiple * pl.col("active").max().over("pooled"))
    if visitors is not None:
        known = visitors.select("market", seen=pl.col("size").cast(pl.Float64))
        sizes = sizes.join(known, on="market", how="left").with_columns(pl.coalesce("seen", "size").alias("size"))
    return sizes.select("market", "size")
