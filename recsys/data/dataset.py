"""From order lines to a Dataset as of a day: ids become row numbers here and only here.

The tables are written against Narwhals' lazy subset with integer time arithmetic, so that Polars and Spark run the
same code; arrays are made from them once, at the end.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse

from recsys.config import Settings
from recsys.contract import (
    I64,
    Baskets,
    Catalogue,
    Dataset,
    Events,
    Index,
    Space,
)
from recsys.data.engine import gather
from recsys.data.features import customer_features, product_features
from recsys.errors import DataError, EmptyError

Frame = Any  # a native lazy or eager table of Polars or Spark
EPOCH = date(1970, 1, 1).toordinal()
CHOICE_FAMILIES = frozenset({"logit", "nested_logit", "blp"})
LINE_KEYS = ("order", "customer", "product", "segment", "seller")


@dataclass(frozen=True)
class Tables:
    """Checked tables of the lake; products and customers may be missing."""

    lines: Frame
    products: Frame | None = None
    customers: Frame | None = None


def end_of_day(day: int, settings: Settings) -> int:
    """First second after local day `day` (days since epoch), in epoch seconds."""
    next_day = date.fromordinal(EPOCH + day + 1)
    midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=settings.shop.zone)
    return int(midnight.timestamp())


def sales_until(lines: Frame, day: int) -> Frame:
    """One row per order and product sold up to `day`, returns taken back: the table everything is counted from.

    Columns: order, customer, product, segment, seller, units, revenue, time, day. Native polars, sorted.
    """
    from recsys.data.returns import kept_sales

    past = nw.from_native(lines).lazy().filter(nw.col("day") <= day, nw.col("kind") != "non_product")
    units = (
        nw.from_native(kept_sales(past.to_native()))
        .lazy()
        .filter(nw.col("quantity") > 0, nw.col("price") > 0)
        .with_columns(revenue=nw.col("quantity") * nw.col("price"))
        .group_by(*LINE_KEYS)
        .agg(
            nw.col("quantity").sum().alias("units"),
            nw.col("revenue").sum().round(6),  # a sum in another order has another last digit
            nw.col("time").min(),
            nw.col("day").min(),
        )
    )
    return gather(units.sort("time", "order", "product", "segment", "seller", nulls_last=True).to_native())


def last_known(lines: Frame, day: int) -> Frame:
    """One row per product: its latest title, category, seller and price up to `day` (ties: the greater value)."""
    sales = (
        nw.from_native(lines)
        .lazy()
        .filter(nw.col("day") <= day, nw.col("kind") == "sale", nw.col("price") > 0, nw.col("quantity") > 0)
    )
    latest = sales.group_by("product").agg(nw.col("time").max())
    newest = sales.join(latest, on=["product", "time"], how="inner")
    values = newest.group_by("product").agg(
        *[nw.col(c).max() for c in ("title", "category", "seller", "price", "day")],
    )
    return gather(values.sort("product").to_native())


def build(tables: Tables, day: int, settings: Settings) -> Dataset:
    """The Dataset at the end of local day `day`; raises EmptyError when nothing was sold until then."""
    sales = sales_until(tables.lines, day)
    if not len(sales):
        raise EmptyError(
            "No order lines are left to learn from",
            got="0 sales that were not returned",
            wanted=f"at least one up to {date.fromordinal(EPOCH + day)}",
            cure="Check [orders] columns and the quarantine report: `recsys check FILE` says why rows were refused.",
        )
    known = last_known(tables.lines, day)
    space = Space(
        customers=Index.of(c for c in sales["customer"].unique() if c is not None),
        products=Index.of(sales["product"].unique()),
        sellers=Index.of(sales["seller"].unique()),
        segments=Index.of(sales["segment"].unique()),
    )
    at = _Columns.of(sales, space)
    as_of = end_of_day(day, settings)
    catalogue = _catalogue(known, tables.products, space, day - settings.contest.availability_days)
    segment = _last_segment(at, len(space.customers))
    data = Dataset(
        space=space,
        events=_events(at, len(space.customers)),
        baskets=_baskets(at, len(space.products)),
        catalogue=catalogue,
        customer_features=customer_features(space, segment, tables.customers),
        product_features=product_features(space, catalogue, tables.products),
        customer_segment=segment,
        as_of=as_of,
    )
    return _with_offers(data, tables.lines, day, settings)


def _with_offers(data: Dataset, lines: Frame, day: int, settings: Settings) -> Dataset:
    """The dataset with its product x market panel, where [markets] is given or a choice model is entered."""
    entered = any(c.family in CHOICE_FAMILIES for c in settings.entered().values())
    if not entered and "markets" not in settings.model_fields_set:
        return data
    from recsys.data.offers import attach_offers

    table = gather(lines)
    try:
        return attach_offers(data, table, day, settings.markets)[0]
    except DataError as error:  # the choice models then fail with "no offers"; everybody else goes on
        logging.getLogger(__name__).warning("No product x market panel: %s", error)
        return data


@dataclass(frozen=True)
class _Columns:
    """The sales table as arrays; all [n]."""

    order: I64
    customer: Any
    product: Any
    segment: Any
    units: Any
    time: Any

    @classmethod
    def of(cls, sales: Any, space: Space) -> _Columns:
        order = sales["order"].rank("dense").to_numpy().astype(np.int64) - 1
        return cls(
            order=order,
            customer=_rows(sales["customer"], space.customers),
            product=_rows(sales["product"], space.products),
            segment=_rows(sales["segment"], space.segments),
            units=sales["units"].to_numpy().astype(np.float32),
            time=sales["time"].to_numpy().astype(np.int64),
        )


def _rows(column: Any, index: Index) -> Any:
    """Rows of a text column: each distinct id is looked up once; null is -1."""
    import polars as pl

    if not len(index):
        return np.full(len(column), -1, dtype=np.int32)
    distinct = column.unique().drop_nulls()
    table = pl.DataFrame({"id": distinct, "row": index.rows(distinct.to_list())})
    found = pl.DataFrame({"id": column}).join(table, on="id", how="left", maintain_order="left")["row"]
    return found.fill_null(-1).to_numpy().astype(np.int32)


def _events(at: _Columns, n_customers: int) -> Events:
    known = np.flatnonzero(at.customer >= 0)
    order = known[np.lexsort((at.product[known], at.time[known], at.customer[known]))]
    counts = np.bincount(at.customer[order], minlength=n_customers)
    return Events(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        product=at.product[order],
        time=at.time[order],
        weight=at.units[order],
        market=np.full(len(order), -1, dtype=np.int32),
    )


def _baskets(at: _Columns, m: int) -> Baskets:
    n = int(at.order.max()) + 1
    lines = sparse.csr_matrix((at.units, (at.order, at.product)), shape=(n, m), dtype=np.float32)
    first = np.unique(at.order, return_index=True)[1]
    return Baskets(lines, at.customer[first], at.segment[first], at.time[first])


def _last_segment(at: _Columns, n_customers: int) -> Any:
    segment = np.full(n_customers, -1, dtype=np.int32)
    known = np.flatnonzero(at.customer >= 0)
    known = known[np.argsort(at.time[known], kind="stable")]
    segment[at.customer[known]] = at.segment[known]  # the last write is the latest order
    return segment


def _catalogue(known: Any, products: Frame | None, space: Space, available_since: int) -> Catalogue:
    import polars as pl

    table = pl.DataFrame({"product": pl.Series(space.products.ids.tolist(), dtype=pl.String)})
    table = table.join(known, on="product", how="left", maintain_order="left")
    table = table.with_columns(available=pl.col("day") > available_since, design=pl.lit(""))
    if products is not None:
        table = _override(table, products)
    texts = {c: np.array(table[c].fill_null("").to_list(), dtype=object) for c in ("title", "category", "design")}
    return Catalogue(
        title=texts["title"],
        seller=_rows(table["seller"], space.sellers),
        category=texts["category"],
        price=table["price"].cast(pl.Float32).fill_null(np.nan).to_numpy(),
        available=table["available"].fill_null(False).to_numpy(),
        design=texts["design"],
    )


def _override(table: Any, products: Frame) -> Any:
    """What the shop's own catalogue says wins over what was read off the order lines."""
    import polars as pl

    given = gather(products)
    columns = [c for c in ("title", "category", "available", "design") if c in given.columns]
    given = given.unique("product", keep="last", maintain_order=True).select("product", *columns)
    merged = table.join(given, on="product", how="left", suffix="_given", maintain_order="left")
    return merged.with_columns(pl.coalesce(f"{c}_given", c).alias(c) for c in columns)
