"""Held-out days and validation splits: global time, nothing shared, unknown products kept as misses."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from recsys.config import parse
from recsys.data.dataset import Tables, build
from recsys.data.split import hold_out, keep, unseen, validation_split
from tests.worlds import dataset

DAY0 = 19723
SETTINGS = parse({})


def lines(rows: list[tuple[str, str | None, str, int, int]]) -> Any:
    """(order, customer, product, day, quantity) as checked order lines."""
    table = pl.DataFrame(rows, schema=["order", "customer", "product", "offset", "quantity"], orient="row")
    return table.select(
        "order",
        pl.lit(None, pl.String).alias("line"),
        pl.col("customer").cast(pl.String),
        "product",
        pl.lit("shop").alias("seller"),
        pl.lit("all").alias("segment"),
        pl.col("quantity").cast(pl.Float64),
        pl.lit(2.0).alias("price"),
        ((DAY0 + pl.col("offset")) * 86_400 + 43_200).cast(pl.Int64).alias("time"),
        (DAY0 + pl.col("offset")).cast(pl.Int32).alias("day"),
        pl.lit("t").alias("title"),
        pl.lit(None, pl.String).alias("category"),
        pl.when(pl.col("quantity") < 0).then(pl.lit("return")).otherwise(pl.lit("sale")).alias("kind"),
    ).lazy()


ROWS = [
    ("o1", "a", "x", 0, 1),
    ("o1", "a", "y", 0, 2),
    ("o2", "b", "y", 0, 1),
    ("g1", None, "z", 1, 1),
    ("o3", "a", "x", 2, 3),
    ("o3", "a", "new", 2, 1),
    ("o4", "cold", "y", 2, 1),
    ("o4", "cold", "z", 3, 1),
    ("r1", "b", "y", 3, -1),
    ("g2", None, "x", 3, 1),
    ("g2", None, "y", 3, 1),
    ("g2", None, "z", 3, 1),
]


def held() -> Any:
    train = build(Tables(lines(ROWS)), DAY0 + 1, SETTINGS)
    return train, hold_out(lines(ROWS), train, DAY0 + 3, DAY0 + 2, SETTINGS)


def test_the_past_ends_at_its_day() -> None:
    train, _ = held()
    assert train.space.customers.ids.tolist() == ["a", "b"]
    assert train.space.products.ids.tolist() == ["x", "y", "z"]
    assert train.as_of == (DAY0 + 2) * 86_400
    assert train.events.product.tolist() == [0, 1, 1]
    assert len(train.baskets) == 3
    assert train.baskets.customer.tolist() == [-1, 0, 1]


def test_truth_is_what_came_after_with_unknown_products_and_cold_customers() -> None:
    train, out = held()
    assert out.ids.tolist() == ["a", "cold"]
    assert out.queries.customer.tolist() == [0, -1]
    assert out.truth.product.tolist() == [-1, 0, 1, 2]
    assert out.truth.quantity.tolist() == [1, 3, 1, 1]
    fresh = unseen(out.truth, out.queries.history, train.n_products)
    assert fresh.product.tolist() == [-1, 1, 2]  # x is nothing new to a


def test_baskets_of_two_known_products_are_asked_one_item_each_guests_included() -> None:
    _, out = held()
    assert sorted(out.basket_ids.tolist()) == ["cold", "order g2"]
    sizes = np.diff(out.basket_truth.start)
    asked = np.diff(out.baskets.basket.indptr)
    assert sorted(sizes.tolist()) == [1, 2]
    assert asked.tolist() == [1, 1]
    for i in range(2):
        owned = set(out.baskets.basket[i].indices) | set(
            out.basket_truth.product[out.basket_truth.start[i] : out.basket_truth.start[i + 1]]
        )
        assert len(owned) == sizes[i] + 1


def test_a_return_after_the_cutoff_is_not_seen_before_it() -> None:
    before = build(Tables(lines(ROWS)), DAY0 + 1, SETTINGS)
    after = build(Tables(lines(ROWS)), DAY0 + 3, SETTINGS)
    assert before.events.take(before.space.customers.rows(["b"])).product.tolist() == [1]
    assert "b" not in after.space.customers.ids.tolist()


def test_keep_leaves_empty_rows() -> None:
    _, out = held()
    none = keep(out.truth, np.zeros(4, dtype=bool))
    assert none.start.tolist() == [0, 0, 0]


def test_validation_hides_the_newest_of_each_and_shares_nothing() -> None:
    data = dataset([[0, 1, 2, 3], [4], [1, 3]], 5, days_ago=[[9, 7, 5, 1], [1], [3, 2]])
    split = validation_split(data, 0.25)
    assert split.truth.product.tolist() == [3, 3]
    assert split.queries.customer.tolist() == [0, 2]
    assert np.diff(split.train.events.start).tolist() == [3, 1, 1]
    assert split.train.baskets.lines.nnz == data.baskets.lines.nnz - 2
    assert split.queries.history.product.tolist() == [0, 1, 2, 1]
