"""Offers: from order lines to the product x market panel, with every unit accounted for.

A row is an alternative offered in a market: a product, or the composite of a seller's slow products of one category.
Offered: between its first and last sale in the segment, with a grace of some days (inferred), or where the shop's own
listing says so. Offered and unsold is a row with share 0. Prices are transaction prices; an unsold product has its
last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.config import Markets
from recsys.contract import F64, I32, Dataset, Index, Offers, Space
from recsys.data.cells import Cells, offered_cells, pool
from recsys.data.instruments import Columns, blp_sums, cost_shifters, differentiation, hausman, nest_counts, nest_rivals
from recsys.data.markets import market_sizes, with_market
from recsys.data.panel_report import Account, DataReport, data_report
from recsys.errors import DataError, EmptyError

if TYPE_CHECKING:
    import polars as pl

MAX_CATEGORIES = 30


@dataclass(frozen=True)
class Built:
    """The panel, the space that now knows its markets, and what was kept, dropped and found."""

    offers: Offers
    space: Space
    account: Account
    report: DataReport


def build_offers(
    lines: pl.DataFrame,
    space: Space,
    day: int,
    settings: Markets | None = None,
    listing: pl.DataFrame | None = None,
) -> Built:
    """The panel of everything up to local day `day`.

    lines: order, customer|null, product, seller, segment, quantity, price, time, day, category|null, kind.
    listing: segment, product, day (first of what it describes), price, and cost where known; it says what was offered.
    Raises EmptyError when nothing is left to choose from, DataError when a unit is unaccounted for.
    """
    settings = settings or Markets()
    kept, account = keep_lines(lines, space, day, settings)
    kept = with_market(kept, settings)
    cells = offered_cells(kept, listing, day, settings)
    cells, composites = pool(cells, kept, settings)
    sizes = market_sizes(kept, settings)
    markets = Index.of(cells.table["market"].unique())
    space = replace(space, markets=markets)
    offers = _offers(cells, composites, sizes, space)
    account.require(float(offers.units.sum()) if offers.units is not None else 0.0)
    return Built(offers, space, account, data_report(offers, kept))


def attach_offers(
    data: Dataset, lines: pl.DataFrame, day: int, settings: Markets | None = None
) -> tuple[Dataset, Built]:
    """The dataset with offers, markets, and the market of every event; `lines` are those it was built from."""
    settings = settings or Markets()
    lines = _with_categories(lines, data)
    built = build_offers(lines, data.space, day, settings)
    market = _event_markets(data, lines, day, built.space, settings)
    events = replace(data.events, market=market)
    return replace(data, space=built.space, events=events, offers=built.offers), built


def _with_categories(lines: pl.DataFrame, data: Dataset) -> pl.DataFrame:
    """The lines with the catalogue's category where they have none of their own: what nests and pools are made of."""
    import polars as pl

    known = {str(p): str(c) for p, c in zip(data.space.products.ids, data.catalogue.category, strict=True) if c}
    given = pl.col("product").replace_strict(known, default=None, return_dtype=pl.String)
    return lines.with_columns(category=pl.coalesce("category", given))


def accounted(
    data: Dataset, lines: pl.DataFrame, day: int, settings: Markets | None = None
) -> tuple[Account, DataReport]:
    """What a dataset's panel was made of and can bear, from the lines it was built from.

    Raises DataError where the dataset has no panel, or its panel holds other units than were kept.
    """
    if data.offers is None:
        raise DataError("The product x market panel", got="no offers", wanted="a dataset with markets")
    kept, account = keep_lines(lines, data.space, day, settings or Markets())
    account.require(float(data.offers.units.sum()) if data.offers.units is not None else 0.0)
    return account, data_report(data.offers, kept)


def keep_lines(lines: pl.DataFrame, space: Space, day: int, settings: Markets) -> tuple[pl.DataFrame, Account]:
    """The sale lines the panel is made of, and an account of everything left out, by reason.

    A line after `day` does not exist yet. A return takes its units off the purchase it belongs to.
    """
    import polars as pl

    from recsys.data.returns import kept_sales

    past = lines.lazy().filter(pl.col("day") <= day).collect()
    account = Account.of(past)
    products = past.filter(pl.col("kind") != "non_product")
    account = account.without("no product (fee, postage)", past.filter(pl.col("kind") == "non_product"))
    netted = kept_sales(products)
    account = account.less("returned", products.filter(pl.col("kind") == "sale"), netted)
    known = pl.Series(space.products.ids.tolist()).implode()
    tests = {
        "not a price": ~(pl.col("price") > 0),
        "not a quantity": ~(pl.col("quantity") > 0),
        "a product unknown to the catalogue": ~pl.col("product").is_in(known),
    }
    if not settings.keep_bulk:
        tests["bulk: quantity discounts are not price variation"] = pl.col("quantity") >= settings.bulk_quantity
    kept = netted
    for reason, bad in tests.items():
        account = account.without(reason, kept.filter(bad))
        kept = kept.filter(~bad)
    if not len(kept):
        raise EmptyError(
            "The product x market panel",
            got="no order line left",
            wanted="sales of known products",
            cure="; ".join(f"{d.lines:,} lines dropped: {r}" for r, d in account.dropped.items()),
        )
    return kept.with_columns(pl.col("quantity").cast(pl.Float64)), account  # fmt: skip


def _offers(cells: Cells, composites: pl.DataFrame, sizes: pl.DataFrame, space: Space) -> Offers:
    """Arrays of the pooled cells; rows sorted by market, then alternative."""
    table = cells.table.join(sizes, on="market", how="left").sort("market", "alternative")
    alternatives = Index.of(table["alternative"].unique())
    market, alternative = space.markets.rows(table["market"]), alternatives.rows(table["alternative"])
    size = np.zeros(len(space.markets))
    size[market] = table["size"].fill_null(table["size"].max()).to_numpy()
    units = table["units"].to_numpy().astype(np.float64)
    categories = Index.of(table["category"].unique())
    nests = categories.rows(table["category"])
    firm = space.sellers.rows(table["seller"])
    names, attributes = _attributes(table)
    cost = _column(table, "cost")
    offers = Offers(
        alternatives=alternatives,
        composite_of=_composite_of(composites, alternatives, space),
        market=market,
        alternative=alternative,
        price=table["price"].to_numpy().astype(np.float64),
        firm=firm,
        size=size,
        attributes=attributes,
        attribute_names=names,
        cost=cost,
        units=units,
        shares=units / size[market],
        nests=nests,
        clusters=alternative,
        within=_within(composites, space),
    )
    z = _instruments(offers, table)
    return replace(offers, instruments=z.values, instrument_names=z.names) if z.names else offers


def _instruments(offers: Offers, table: pl.DataFrame) -> Columns:
    """What the data can bear: other regions' prices, costs, and how crowded the category is."""
    period = np.unique(table["period"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    segment = np.unique(table["pooled"].to_numpy().astype(str), return_inverse=True)[1].astype(np.int32)
    found = Columns.none(len(table))
    if len(np.unique(segment)) > 1:
        found = found.joined(hausman(offers.price, offers.alternative, period, segment))
    if offers.cost is not None:
        found = found.joined(cost_shifters(offers.cost))
        near = differentiation(offers.cost[:, None], ("cost",), offers.market, offers.firm, local=False)
        found = found.joined(near)
    if offers.nests is not None and len(np.unique(offers.nests)) > 1:
        found = found.joined(nest_counts(offers.nests, offers.market))
        if offers.cost is not None:
            found = found.joined(nest_rivals(offers.cost, "cost", offers.nests, offers.market))
    return found.joined(blp_sums(np.empty((len(table), 0)), (), offers.market, offers.firm))


def _attributes(table: pl.DataFrame) -> tuple[tuple[str, ...], F64]:
    """Retail price and units, and `category:name` (1 or 0) of the largest categories, the formulas' words for them."""
    import polars as pl

    counts = table.filter(pl.col("category") != "").group_by("category").agg(pl.col("units").sum())
    largest = counts.sort(["units", "category"], descending=[True, False])["category"][:MAX_CATEGORIES].sort().to_list()
    columns = {"retail_price": table["retail_price"], "retail_units": table["retail_units"]}
    if len(counts) > 1:
        columns |= {"category:" + re.sub(r"\W+", "_", c): table["category"] == c for c in largest}
    return tuple(columns), np.column_stack([c.to_numpy().astype(np.float64) for c in columns.values()])


def _column(table: pl.DataFrame, name: str) -> F64 | None:
    if name not in table.columns or table[name].null_count() == len(table):
        return None
    return table[name].fill_null(strategy="mean").to_numpy().astype(np.float64)


def _composite_of(composites: pl.DataFrame, alternatives: Index, space: Space) -> I32:
    of = np.full(len(space.products), -1, dtype=np.int32)
    rows = space.products.rows(composites["product"])
    of[rows] = alternatives.rows(composites["alternative"])
    return of


def _within(composites: pl.DataFrame, space: Space) -> F64:
    within = np.zeros(len(space.products))
    within[space.products.rows(composites["product"])] = composites["within"].to_numpy()
    return within


def _event_markets(data: Dataset, lines: pl.DataFrame, day: int, space: Space, settings: Markets) -> I32:
    """Market row of every event, in the events' order; -1 where the panel has no such market."""
    import polars as pl

    from recsys.data.dataset import sales_until

    kept = with_market(keep_lines(lines, data.space, day, settings)[0], settings)
    pooled = kept.group_by("segment").agg(pl.col("pooled").first())
    sales: Any = sales_until(lines, day)
    sales = sales.filter(pl.col("customer").is_not_null()).join(pooled, on="segment", how="left", maintain_order="left")
    sales = with_market(sales.with_columns(pl.col("pooled").fill_null("~other")), settings)
    customer = data.space.customers.rows(sales["customer"])
    product = data.space.products.rows(sales["product"])
    order = np.lexsort((product, sales["time"].to_numpy(), customer))
    return space.markets.rows(sales["market"])[order]
