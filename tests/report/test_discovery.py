"""What the lists show, counted by hand."""

from __future__ import annotations

import polars as pl
import pytest

from recsys.report.discovery import NEW_DAYS, seller_places, shown
from tests.report import nights

DAY = 100
PRODUCTS = pl.DataFrame(
    {
        "product": ["a", "b", "c", "d", "e"],
        "seller": ["s", "s", "t", "t", "u"],
        "available": [True, True, True, True, False],
    }
)
SALES = pl.DataFrame(
    {
        "customer": ["u1", "u1", "u2", "u2"],
        "product": ["a", "b", "c", "e"],
        "seller": ["s", "s", "t", "u"],
        "day": [10, DAY - NEW_DAYS, DAY - NEW_DAYS + 1, 20],
    }
)  # d was never sold
LISTS = nights.lists_table({"u1": ["a", "c", "b"], "u2": ["c", "d"], "default": ["a", "b"], "segment:north": ["a"]})


def test_discoveries_are_counted_over_customers_own_lists() -> None:
    found = shown(LISTS, PRODUCTS, SALES, DAY, 2)
    assert found is not None
    assert (found.places, found.customers) == (4, 2)
    assert found.catalogue == pytest.approx(3 / 4)
    assert found.new_products == pytest.approx(3 / 4)  # c twice, d once
    assert found.new_on_offer == pytest.approx(2 / 4)  # c and d; b is a day too old
    assert found.new_sellers == pytest.approx(3 / 4)  # t sold its first a day late enough
    assert found.unfamiliar_sellers == pytest.approx(1 / 4)  # u1 never bought from t
    assert found.top == pytest.approx(2 / 4)  # one product in ten, at least one: c


def test_places_and_customers_per_seller() -> None:
    rows = {r["seller"]: (r["places"], r["reached"]) for r in seller_places(LISTS, PRODUCTS, 2).to_dicts()}
    assert rows == {"s": (1, 1), "t": (3, 2)}


def test_without_customers_lists_there_is_nothing_to_say() -> None:
    assert shown(LISTS.filter(pl.col("customer") == "default"), PRODUCTS, SALES, DAY, 2) is None


def test_a_shop_with_one_seller_has_no_seller_shares() -> None:
    one = PRODUCTS.with_columns(seller=pl.lit("s"))
    found = shown(LISTS, one, SALES.with_columns(seller=pl.lit("s")), DAY, 2)
    assert found is not None
    assert found.new_sellers is None
    assert found.unfamiliar_sellers is None
