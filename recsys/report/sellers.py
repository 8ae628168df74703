"""Figures per seller. Each value is built from rows of that seller alone, so that its page can be handed to them."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys import publication
from recsys.data.lake import ref_from
from recsys.report.discovery import seller_places
from recsys.report.generations import BESIDE, table_of
from recsys.report.page import Json, Page

if TYPE_CHECKING:
    import polars as pl

LEAST_ORDERS = 20  # fewer orders in all: no page
MOST_PAGES = 100  # the sellers with the most sales
RECENT = 28  # days
TOP = 10  # products listed on a page
WEEK = 7
OFF = "what sells lately: the recommender is switched off"


@dataclass(frozen=True)
class Product:
    """One of the seller's own products. own: titles of its own published as complements; others: how many more."""

    product: str
    title: str
    units: float
    sales: float
    places: int
    own: tuple[str, ...]
    others: int


@dataclass(frozen=True)
class Seller:
    """What one seller's page shows; money in the shop's currency, over all days up to the night."""

    name: str
    orders: int
    customers: int
    units: float
    sales: float
    recent: float  # sales of the last 28 days
    earlier: float  # of the 28 before
    weekly: tuple[tuple[float, float], ...]  # (weeks before the night, sales), oldest first
    single_share: float  # orders with this seller that hold one product
    sales_share: float
    on_offer: int
    shown: int  # of its products, in somebody's first k places
    places: int
    places_share: float
    reached: int  # customers with at least one place
    arms: str  # which arms serve its surfaces
    top: tuple[Product, ...]
    opportunity: Json | None  # its row of the night's money table (contest.money.COLUMNS)

    @property
    def file(self) -> str:
        """Name of its page: readable, and unlike any other seller's."""
        readable = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:40] or "seller"
        return f"{readable}-{zlib.crc32(self.name.encode()):08x}.html"


@dataclass(frozen=True)
class Sellers:
    """All sellers of a night: those with a page, most sales first, and the shop as a whole."""

    pages: tuple[Seller, ...]
    sellers: int
    top_five: float  # share of sales
    single_share: float
    orders: int
    k: int  # places of a list that count as shown
    days: int  # of orders behind the figures
    assumptions: Mapping[str, str]  # behind the opportunity


def sellers_of(page: Page) -> Sellers | None:
    """None where the shop has a single seller or the night published nothing."""
    import polars as pl

    entry, sales, lists, products = page.tonight, page.sales, page.lists, page.products
    if entry is None or lists is None or products is None or sales["seller"].n_unique() < 2:
        return None
    sizes = sales.group_by("order").agg(pl.col("product").n_unique().alias("size"))
    sales = sales.join(sizes, on="order").filter(pl.col("seller").is_not_null())
    totals = sales.group_by("seller").agg(pl.col("revenue").sum(), pl.col("order").n_unique()).sort("seller")
    totals = totals.sort("revenue", descending=True, maintain_order=True)
    kept = totals.filter(pl.col("order") >= LEAST_ORDERS)["seller"].head(MOST_PAGES).to_list()
    beside = table_of(page, entry, "complements.parquet", BESIDE)
    worth = _opportunities(page)
    places = _Places(page, lists, products, beside)
    by_seller = {key[0]: rows for key, rows in sales.partition_by("seller", as_dict=True).items() if key[0] in kept}
    revenue = float(totals["revenue"].sum())
    return Sellers(
        pages=tuple(_seller(name, by_seller[name], places, revenue, page, worth.get(name)) for name in kept),
        sellers=totals.height,
        top_five=float(totals["revenue"].head(5).sum()) / revenue,
        single_share=float((sizes["size"] == 1).mean() or 0.0),  # type: ignore[arg-type]
        orders=sizes.height,
        k=places.k,
        days=int(page.night["day"]) - int(sales["day"].min()) + 1,  # type: ignore[arg-type]
        assumptions=_assumptions(page),
    )


class _Places:
    """The published tables, asked seller by seller."""

    def __init__(self, page: Page, lists: pl.DataFrame, products: pl.DataFrame, beside: pl.DataFrame | None) -> None:
        import polars as pl

        from recsys.report.discovery import customers_only

        self.k = page.settings.contest.at[0]
        self.products = products
        self.top = customers_only(lists).filter(pl.col("rank") <= self.k)
        self.of = {row[0]: row[1:] for row in seller_places(lists, products, self.k).rows()}
        self.counts: dict[str, int] = dict(self.top.group_by("product").len().rows())
        self.title = dict(products.select("product", "title").rows())
        self.seller = dict(products.select("product", "seller").rows())
        entry = page.tonight
        self.allocation = json.loads(publication.read_file(page.lake, entry, "allocation.json")) if entry else {}
        self.beside: dict[str, list[str]] = {}
        for product, other in (
            beside.sort("beside", "rank").select("beside", "product").rows() if beside is not None else ()
        ):
            self.beside.setdefault(product, []).append(other)

    def arms(self, seller: str) -> str:
        """`champion 100 %`; what serves a seller that is switched off, in words."""
        if seller in self.allocation.get("off", ()):
            return OFF
        shares = self.allocation.get("sellers", {}).get(seller, self.allocation.get("arms", {}))
        return (
            ", ".join(f"{arm} {100 * share:.0f} %" for arm, share in sorted(shares.items()) if share > 0) or "nothing"
        )

    def titled(self, product: str) -> str:
        return self.title.get(product) or product


def _seller(name: str, rows: pl.DataFrame, places: _Places, revenue: float, page: Page, worth: Json | None) -> Seller:
    import polars as pl

    day, orders = int(page.night["day"]), rows.unique("order")
    mine = places.products.filter(pl.col("seller") == name)
    taken, reached = places.of.get(name, (0, 0))
    sales = float(rows["revenue"].sum())
    return Seller(
        name=name,
        orders=orders.height,
        customers=rows["customer"].drop_nulls().n_unique(),
        units=float(rows["units"].sum()),
        sales=sales,
        recent=_between(rows, day - RECENT, day),
        earlier=_between(rows, day - 2 * RECENT, day - RECENT),
        weekly=_weekly(rows, day),
        single_share=float((orders["size"] == 1).mean() or 0.0),  # type: ignore[arg-type]
        sales_share=sales / revenue,
        on_offer=int(mine["available"].sum()),
        shown=sum(product in places.counts for product in mine["product"]),
        places=taken,
        places_share=taken / max(places.top.height, 1),
        reached=reached,
        arms=places.arms(name),
        top=_top(rows, name, places),
        opportunity=worth,
    )


def _top(rows: pl.DataFrame, name: str, places: _Places) -> tuple[Product, ...]:
    import polars as pl

    sold = rows.group_by("product").agg(pl.col("units").sum(), pl.col("revenue").sum())
    best = sold.sort(["revenue", "product"], descending=[True, False]).head(TOP)
    found = []
    for product, units, sales in best.rows():
        beside = places.beside.get(product, [])
        own = tuple(places.titled(other) for other in beside if places.seller.get(other) == name)
        found.append(
            Product(
                product,
                places.titled(product),
                units,
                sales,
                places.counts.get(product, 0),
                own,
                len(beside) - len(own),
            )
        )
    return tuple(found)


def _between(rows: pl.DataFrame, after: int, until: int) -> float:
    import polars as pl

    return float(rows.filter(pl.col("day") > after, pl.col("day") <= until)["revenue"].sum())


def _weekly(rows: pl.DataFrame, day: int) -> tuple[tuple[float, float], ...]:
    """Whole weeks before the night; a week without sales is 0."""
    ages = (day - rows["day"].to_numpy()) // WEEK
    whole = (day - int(rows["day"].min()) + 1) // WEEK  # type: ignore[arg-type]
    sums = np.bincount(ages, weights=rows["revenue"].to_numpy(), minlength=max(whole, 1))[:whole]
    return tuple((float(-age), float(sums[age])) for age in reversed(range(whole)))


def _opportunities(page: Page) -> dict[str, Json]:
    """The rows of the night's money table by seller; none where the night has no such table."""
    ref = page.facts.get("experiments", {}).get("tables", {}).get("opportunity")
    if ref is None:
        return {}
    rows = page.lake.read_frame(ref_from(ref)).to_dicts()
    return {str(row["scope"]): row for row in rows}  # sellers come last: one that is called shop is a seller


def _assumptions(page: Page) -> Mapping[str, str]:
    found: Mapping[str, str] = page.facts.get("experiments", {}).get("money", {}).get("assumptions", {})
    return found
