"""Cells of the panel: what each product sold in each market it was offered in, at what price; slow products pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.config import Markets
from recsys.data.markets import first_day, period_name

if TYPE_CHECKING:
    import polars as pl

COMPOSITE = "~"  # the name of a pool starts so: ~seller|category or ~|category
RECENT_PERIODS = 8  # whose sales share a composite's probability out to its products


@dataclass(frozen=True)
class Cells:
    """One row per market and product (later: alternative): pooled, market, period, product, seller, category, units,
    orders, price; retail_units and retail_price (lines below the bulk quantity); cost where a listing has it."""

    table: pl.DataFrame


def offered_cells(lines: pl.DataFrame, listing: pl.DataFrame | None, day: int, settings: Markets) -> Cells:
    """Every product in every market it was offered in, sold or not; `lines` carry pooled, period and market."""
    import polars as pl

    sold = _sold(lines, settings)
    grid = _listed(listing, lines, day, settings) if listing is not None else _inferred(lines, day, settings)
    keys = ["pooled", "period", "product"]
    missed = sold.join(grid, on=keys, how="anti").select(keys)  # sold though not listed: it was offered
    grid = pl.concat([grid, missed], how="diagonal")
    known = lines.sort("time").group_by("product").agg(pl.col("seller").last(), pl.col("category").last())
    table = grid.join(sold.drop("cost", strict=False) if "cost" in grid.columns else sold, on=keys, how="left")
    table = table.join(known, on="product", how="left")
    table = table.with_columns(pl.col("units", "orders", "retail_units").fill_null(0.0))
    table = _priced(table.sort("pooled", "product", "period"))
    names = {p: period_name(p, settings.period) for p in table["period"].unique().to_list()}
    name = pl.col("period").replace_strict(names, return_dtype=pl.String)
    table = table.with_columns(market=pl.format("{}@{}", "pooled", name))
    return Cells(table.with_columns(pl.col("category").fill_null("")))


def pool(cells: Cells, lines: pl.DataFrame, settings: Markets) -> tuple[Cells, pl.DataFrame]:
    """Cells of alternatives, and (product, alternative, within): which alternative stands for each product and what
    share of its probability the product gets back.

    A slow product joins its seller's category; what is slow even so joins the category of all sellers (the firm is
    then the seller that sells most of it).
    """
    import polars as pl

    table = cells.table.with_columns(alternative="product")
    for name in (pl.format(COMPOSITE + "{}|{}", "seller", "category"), pl.format(COMPOSITE + "|{}", "category")):
        pace = table.group_by("market", "alternative").agg(pl.col("orders").sum())
        pace = pace.group_by("alternative").agg(pace=pl.col("orders").mean())
        slow = pl.when(pl.col("pace") < settings.least_orders)
        table = table.join(pace, on="alternative").with_columns(alternative=slow.then(name).otherwise("alternative"))
        table = table.drop("pace")
    weights = lines.group_by("product").agg(weight=pl.col("quantity").sum())
    table = table.join(weights, on="product", how="left").with_columns(pl.col("weight").fill_null(0.0) + 1e-9)

    def mean(column: str) -> pl.Expr:
        """With the same weights in every market, so that a mix of dear and cheap sales is no change of price."""
        known = pl.col("weight").filter(pl.col(column).is_not_null())
        return ((pl.col(column) * pl.col("weight")).sum() / known.sum()).fill_nan(None)

    means = [mean(c).alias(c) for c in ("price", "retail_price", "cost") if c in table.columns]
    sold = table.group_by("alternative", "seller").agg(pl.col("units").sum()).sort("units", "seller")
    table = table.drop("seller").join(sold.group_by("alternative").agg(pl.col("seller").last()), on="alternative")
    joined = table.group_by("pooled", "period", "market", "alternative", "seller", "category").agg(
        pl.col("units", "orders", "retail_units").sum(), *means
    )
    return Cells(joined), _shared_back(table)


def _sold(lines: pl.DataFrame, settings: Markets) -> pl.DataFrame:
    import polars as pl

    # Without bulk lines the same question is asked half way: are there still discounts for quantity?
    retail = settings.bulk_quantity if settings.keep_bulk else settings.bulk_quantity / 2
    small = pl.col("quantity") < retail
    money = pl.col("quantity") * pl.col("price")
    known = "cost" in lines.columns and lines["cost"].null_count() < len(lines)
    costs = [pl.col("cost").cast(pl.Float64).mean()] if known else []
    return lines.group_by("pooled", "period", "product").agg(
        *costs,
        units=pl.col("quantity").sum(),
        orders=pl.col("order").n_unique().cast(pl.Float64),
        paid=money.sum() / pl.col("quantity").sum(),
        retail_units=pl.col("quantity").filter(small).sum(),
        retail_paid=(money.filter(small).sum() / pl.col("quantity").filter(small).sum()).fill_nan(None),
    )


def _inferred(lines: pl.DataFrame, day: int, settings: Markets) -> pl.DataFrame:
    """(pooled, period, product) from first to last sale in the segment, and some days on."""
    import polars as pl

    last = first_day(day, settings.period)
    span = lines.group_by("pooled", "product").agg(start=pl.col("period").min(), end=pl.col("day").max())
    periods = lines.select("pooled", "period").unique().filter(pl.col("period") <= last)
    grid = span.join(periods, on="pooled")
    until = pl.col("end").cast(pl.Int64) + settings.grace_days
    grid = grid.filter(pl.col("period") >= pl.col("start"), pl.col("period") <= until)
    return grid.select("pooled", "period", "product")


def _listed(listing: pl.DataFrame, lines: pl.DataFrame, day: int, settings: Markets) -> pl.DataFrame:
    """(pooled, period, product, listed price, cost) as the shop's own listing says, up to the day."""
    import polars as pl

    pooled = lines.group_by("segment").agg(pl.col("pooled").first())
    past = listing.filter(pl.col("day") <= day).join(pooled, on="segment")
    days = {d: first_day(d, settings.period) for d in past["day"].unique().to_list()}
    past = past.with_columns(period=pl.col("day").replace_strict(days, return_dtype=pl.Int64))
    past = past.filter(pl.col("product").is_in(lines["product"].unique().implode()))
    columns = [pl.col(c).mean().alias(n) for c, n in (("price", "listed"), ("cost", "cost")) if c in past.columns]
    return past.group_by("pooled", "period", "product").agg(*columns)


def _priced(table: pl.DataFrame) -> pl.DataFrame:
    """What was paid; where nothing sold, the listed price, else the last one paid in the segment, else the next, else
    what other segments paid."""
    import polars as pl

    groups = ["pooled", "product"]
    if "cost" in table.columns:
        steps = [pl.col("cost").forward_fill().over(groups), pl.col("cost").backward_fill().over(groups)]
        table = table.with_columns(pl.coalesce("cost", *steps, pl.col("cost").mean().over("product")))
    listed = [pl.col("listed")] if "listed" in table.columns else []
    for paid, name in (("paid", "price"), ("retail_paid", "retail_price")):
        near = [pl.col(paid).forward_fill().over(groups), pl.col(paid).backward_fill().over(groups)]
        elsewhere = pl.col(paid).mean().over("product")
        rest = [pl.col("price")] if name == "retail_price" else []
        table = table.with_columns(pl.coalesce(pl.col(paid), *listed, *near, elsewhere, *rest).alias(name))
    return table


def _shared_back(table: pl.DataFrame) -> pl.DataFrame:
    """(product, alternative, within) by sales of the latest periods; half a unit each for the new ones."""
    import polars as pl

    latest = table["period"].unique().sort()[-RECENT_PERIODS:]
    recent = pl.col("units").filter(pl.col("period").is_in(latest.implode())).sum() + 0.5
    share = table.group_by("product", "alternative").agg(recent=recent)
    return share.with_columns(within=pl.col("recent") / pl.col("recent").sum().over("alternative")).sort("product")
