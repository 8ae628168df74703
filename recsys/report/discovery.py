"""What the published lists show: whose products, how evenly, and how much that a customer does not know yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys.contract import F64

if TYPE_CHECKING:
    import polars as pl

NEW_DAYS = 28  # a product or seller is new for so long after its first sale


@dataclass(frozen=True)
class Shown:
    """Places in customers' lists, and the shares of them that are discoveries; None where nobody could be asked."""

    places: int
    customers: int
    catalogue: float  # share of the products on offer that somebody is shown
    top: float  # share of places taken by the tenth of the products shown most
    new_products: float  # share of places
    new_on_offer: float  # share of products on offer that are new
    new_sellers: float | None
    unfamiliar_sellers: float | None  # places of sellers the customer never bought from


def customers_only(lists: pl.DataFrame) -> pl.DataFrame:
    """Rows of customers' own lists, defaults of segments left out."""
    import polars as pl

    own = ~(pl.col("customer").str.starts_with("segment:") | (pl.col("customer") == "default"))
    return lists.filter(own)


def shown(lists: pl.DataFrame, products: pl.DataFrame, sales: pl.DataFrame, day: int, k: int) -> Shown | None:
    """Measure the first k places of customers' lists; sales: lines up to `day` (customer, product, seller, day)."""
    import polars as pl

    top = customers_only(lists).filter(pl.col("rank") <= k).select("customer", "product")
    if not top.height:
        return None
    since = day - NEW_DAYS
    first = sales.group_by("product").agg(pl.col("day").min().alias("first"))
    aged = products.join(first, on="product", how="left").with_columns(
        new=pl.col("first").is_null() | (pl.col("first") > since)
    )
    offer = aged.filter(pl.col("available"))
    seen = top.join(aged.select("product", "seller", "new"), on="product", how="left")
    counts = top.group_by("product").len()["len"].to_numpy().astype(np.float64)
    several = products["seller"].n_unique() > 1
    return Shown(
        places=top.height,
        customers=top["customer"].n_unique(),
        catalogue=float(len(counts) / max(offer.height, 1)),
        top=_top_share(counts, offer.height),
        new_products=_mean(seen["new"]),
        new_on_offer=_mean(offer["new"]),
        new_sellers=_of_new_sellers(seen, sales, since) if several else None,
        unfamiliar_sellers=_unfamiliar(seen, sales) if several else None,
    )


def seller_places(lists: pl.DataFrame, products: pl.DataFrame, k: int) -> pl.DataFrame:
    """Places in the first k and customers reached, per seller: columns seller, places, reached."""
    import polars as pl

    top = customers_only(lists).filter(pl.col("rank") <= k).join(products.select("product", "seller"), on="product")
    return top.group_by("seller").agg(pl.len().alias("places"), pl.col("customer").n_unique().alias("reached"))


def _top_share(counts: F64, on_offer: int) -> float:
    """Share of places of the most shown tenth of the products on offer."""
    largest = np.sort(counts)[::-1][: max(1, round(on_offer / 10))]
    return float(largest.sum() / counts.sum())


def _of_new_sellers(seen: pl.DataFrame, sales: pl.DataFrame, since: int) -> float:
    import polars as pl

    first = sales.group_by("seller").agg(pl.col("day").min().alias("first"))
    new = first.filter(pl.col("first") > since)["seller"]
    return _mean(seen["seller"].is_in(new.to_list()))


def _unfamiliar(seen: pl.DataFrame, sales: pl.DataFrame) -> float:
    known = sales.select("customer", "seller").unique()
    return seen.join(known, on=["customer", "seller"], how="anti").height / seen.height


def _mean(flags: pl.Series) -> float:
    return float(flags.cast(float).fill_null(0).mean() or 0.0)  # type: ignore[arg-type]
