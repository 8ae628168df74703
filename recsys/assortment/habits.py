"""What the business assumes of its customers, tested on its own orders: do they come back, and for the same things?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from recsys.errors import EmptyError
from recsys.evaluation.lists import gini, top5_share

if TYPE_CHECKING:
    import polars as pl

LEVEL = 0.95


@dataclass(frozen=True)
class Share:
    """A share of n, with its 95 % interval (Wilson 1927); None where n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, count: int, n: int) -> Share:
        """count of n."""
        if n == 0:
            return cls(None, None, None, 0)
        z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
        p, spread = count / n, z * z / n
        centre, half = p + spread / 2, z * np.sqrt(p * (1 - p) / n + spread / (4 * n))
        return cls(p, float((centre - half) / (1 + spread)), float((centre + half) / (1 + spread)), n)


@dataclass(frozen=True)
class Habits:
    """Each a share of what its name says; lines of customers' later orders are what loyalty is measured on."""

    repeat_customers: Share  # customers with an id who ordered at least twice
    named_orders: Share  # orders with a customer id
    single_item_orders: Share  # orders with one product
    same_product: Share  # later lines of a product the customer had bought before
    same_category: Share  # later lines of a category the customer had bought before
    category_by_chance: float | None  # the same if categories were drawn as the whole shop buys them
    same_seller: Share
    seller_by_chance: float | None
    sellers: int
    top_sellers: float  # share of the revenue of the five largest sellers
    seller_gini: float

    @property
    def category_lift(self) -> float | None:
        """How many times likelier than by chance a later line stays in a known category."""
        return _lift(self.same_category, self.category_by_chance)

    @property
    def seller_lift(self) -> float | None:
        """The same of sellers."""
        return _lift(self.same_seller, self.seller_by_chance)


def habits(sales: pl.DataFrame, categories: Mapping[str, str]) -> Habits:
    """Habits in sale lines (columns of `data.dataset.sales_until`); `categories` by product, "" = none.

    Raises EmptyError without a line.
    """
    import polars as pl

    if not sales.height:
        raise EmptyError("The shop's habits", got="no order lines", wanted="the shop's orders")
    orders = sales.group_by("order").agg(pl.col("customer").first(), pl.col("product").n_unique())
    named = orders.filter(pl.col("customer").is_not_null())
    times = named.group_by("customer").len()["len"]
    known = sales.filter(pl.col("customer").is_not_null()).with_columns(
        category=pl.col("product").replace_strict(dict(categories), default="", return_dtype=pl.String)
    )
    product, _ = _again(known, "product")
    category, category_chance = _again(known.filter(pl.col("category") != ""), "category")
    seller, seller_chance = _again(known, "seller")
    revenue = sales.group_by("seller").agg(pl.col("revenue").sum())["revenue"].to_numpy().astype(np.float64)
    return Habits(
        repeat_customers=Share.of(int((times >= 2).sum()), len(times)),
        named_orders=Share.of(len(named), len(orders)),
        single_item_orders=Share.of(int((orders["product"] == 1).sum()), len(orders)),
        same_product=product,
        same_category=category,
        category_by_chance=category_chance,
        same_seller=seller,
        seller_by_chance=seller_chance,
        sellers=len(revenue),
        top_sellers=top5_share(revenue),
        seller_gini=gini(revenue),
    )


def _again(lines: pl.DataFrame, field: str) -> tuple[Share, float | None]:
    """Lines after a customer's first order whose `field` the customer had bought earlier, and the share by chance.

    By chance: the shop's own shares of lines of everything the customer had bought earlier, added up.
    """
    import polars as pl

    began = lines.group_by("customer", field).agg(first=pl.col("time").min())
    weights = lines[field].value_counts(normalize=True).rename({"proportion": "weight"})
    met = began.join(weights, on=field).sort("customer", "first", field)
    met = met.with_columns(chance=pl.col("weight").cum_sum().over("customer"))
    later = lines.filter(pl.col("time") > pl.col("time").min().over("customer"))
    if not later.height:
        return Share.of(0, 0), None
    again = later.join(began, on=["customer", field])
    count = int((again["first"] < again["time"]).sum())
    asked = later.with_columns(before=pl.col("time") - 1).sort("before")
    drawn = asked.join_asof(
        met.sort("first"), left_on="before", right_on="first", by="customer", check_sortedness=False
    )
    return Share.of(count, len(later)), float(drawn["chance"].fill_null(0).sum() / len(later))


def _lift(found: Share, chance: float | None) -> float | None:
    return found.value / chance if found.value is not None and chance else None
