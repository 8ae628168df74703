"""A shop with weekly promotions whose customers choose by a logit: what sold before says little, prices say a lot."""

from __future__ import annotations

import functools
from datetime import date

import numpy as np
import polars as pl

from recsys.config import Settings
from recsys.contract import Dataset
from recsys.data.dataset import Tables, build
from recsys.data.split import HeldOut, hold_out

MONDAY = 20_094  # 2025-01-06
WEEKS, PRODUCTS, CUSTOMERS, ALPHA = 16, 7, 700, -0.8
LAST = MONDAY + 7 * WEEKS - 1
PAST = LAST - 28
SETTINGS = Settings.model_validate({"markets": {}, "contenders": {"logit": {"family": "logit"}}})


@functools.cache
def lines() -> pl.DataFrame:
    """Order lines: one visit a week and customer, prices that follow costs which are drawn anew every week."""
    rng = np.random.default_rng(5)
    quality, segment = rng.normal(4.0, 0.4, PRODUCTS), rng.integers(0, 2, CUSTOMERS)
    rows = []
    for week in range(WEEKS):
        for s, name in enumerate(("north", "south")):
            cost = 3 + rng.uniform(0, 3, PRODUCTS)
            price, people = np.round(cost + 1 + 0.1 * rng.normal(size=PRODUCTS), 2), np.flatnonzero(segment == s)
            value = np.append(quality + ALPHA * price, 0.0) + rng.gumbel(size=(len(people), PRODUCTS + 1))
            day = MONDAY + 7 * week + rng.integers(0, 7, len(people))
            rows += [
                (f"c{u:04d}", f"p{j}", f"s{j % 2}", name, float(price[j]), float(cost[j]), int(d))
                for u, j, d in zip(people, value.argmax(axis=1), day, strict=True)
                if j < PRODUCTS
            ]
    names = ["customer", "product", "seller", "segment", "price", "cost", "day"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_row_index("n")
    return table.select(
        order=pl.format("o{}", "n"), line=pl.lit(None, pl.String), customer="customer", product="product",
        seller="seller", segment="segment", quantity=pl.lit(1.0), price="price", cost="cost",
        time=pl.col("day").cast(pl.Int64) * 86_400 + 36_000, title="product", category=pl.lit(None, pl.String),
        day=pl.col("day").cast(pl.Int32), kind=pl.lit("sale"),
    )  # fmt: skip


@functools.cache
def data(day: int = LAST) -> Dataset:
    """The dataset with its offers at the end of a day."""
    return build(Tables(lines().filter(pl.col("day") <= day)), day, SETTINGS)


@functools.cache
def held() -> HeldOut:
    """The last 28 days."""
    return hold_out(lines(), data(PAST), LAST, PAST + 1, SETTINGS)


def iso(day: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()
