"""A shop whose customers choose by a random-coefficients logit: what the choice families are tested on."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl

from recsys.config import Contender, Settings
from recsys.contract import Dataset
from recsys.data.dataset import Tables, build

MONDAY = 20_094  # 2025-01-06
WEEKS, PRODUCTS, CUSTOMERS = 26, 12, 900
ALPHA, SPREAD = -0.5, 1.5  # mean price coefficient; standard deviation of the taste for cups over hats
ALPHA_SPREAD = 0.15
SEGMENTS = ("north", "south")


@functools.cache
def lines() -> pl.DataFrame:
    """Order lines of 26 weeks: one visit a week and customer, prices that rise with a demand shock and with costs."""
    rng = np.random.default_rng(11)
    cup = np.arange(PRODUCTS) < 5
    quality = rng.normal(2.2, 0.5, PRODUCTS)
    segment = rng.integers(0, 2, CUSTOMERS)
    taste, alpha = SPREAD * rng.normal(size=CUSTOMERS), ALPHA + ALPHA_SPREAD * rng.normal(size=CUSTOMERS)
    rows = []
    for week in range(WEEKS):
        for s, name in enumerate(SEGMENTS):
            cost = 4 + rng.uniform(0, 3, PRODUCTS)
            shock = 0.4 * rng.normal(size=PRODUCTS)
            price = np.round(cost + 1.5 + shock, 2)
            people = np.flatnonzero(segment == s)
            value = quality + shock + np.outer(taste[people], cup - 0.5) + np.outer(alpha[people], price)
            value = np.column_stack([value, np.zeros(len(people))]) + rng.gumbel(size=(len(people), PRODUCTS + 1))
            bought = value.argmax(axis=1)
            day = MONDAY + 7 * week + rng.integers(0, 7, len(people))
            kind = np.where(cup, "cup", "hat")
            rows += [
                (f"c{u:04d}", f"p{j:02d}", f"s{j % 3}", name, float(price[j]), float(cost[j]), int(d), str(kind[j]))
                for u, j, d in zip(people, bought, day, strict=True)
                if j < PRODUCTS
            ]
    names = ["customer", "product", "seller", "segment", "price", "cost", "day", "category"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_row_index("n")
    return table.select(
        order=pl.format("o{}", "n"), line=pl.lit(None, pl.String), customer="customer", product="product",
        seller="seller", segment="segment", quantity=pl.lit(1.0), price="price", cost="cost",
        time=pl.col("day").cast(pl.Int64) * 86_400 + 36_000, title="product", category="category",
        day=pl.col("day").cast(pl.Int32), kind=pl.lit("sale"),
    )  # fmt: skip


@functools.cache
def data(day: int = MONDAY + 7 * WEEKS - 1) -> Dataset:
    """The dataset with its offers at the end of a day."""
    entered = Settings(contenders={"choice": Contender(family="blp")})
    return build(Tables(lines()), day, entered)
