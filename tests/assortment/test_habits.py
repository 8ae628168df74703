"""Do customers come back, and for the same things? Small shops worked by hand."""

from __future__ import annotations

import polars as pl
import pytest

from recsys.assortment.habits import Share, habits
from recsys.errors import EmptyError

LINES = [  # order, customer, product, seller, revenue, time
    ("o1", "ann", "mug", "s1", 10.0, 1),
    ("o1", "ann", "cap", "s2", 10.0, 1),
    ("o2", "ann", "mug", "s1", 10.0, 5),  # the same product, category and seller again
    ("o3", "ann", "cup", "s3", 10.0, 9),  # another product of a known category, a new seller
    ("o4", "bob", "hat", "s2", 10.0, 2),
    ("o5", "bob", "mug", "s1", 50.0, 3),  # new in every way
    ("o6", "cat", "mug", "s1", 10.0, 4),
    ("g1", None, "cap", "s2", 30.0, 4),
]
CATEGORY = {"mug": "drink", "cup": "drink", "cap": "head", "hat": "head"}


def sales(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    columns = {"order": str, "customer": str, "product": str, "seller": str, "revenue": float, "time": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_a_shop_by_hand() -> None:
    found = habits(sales(LINES), CATEGORY)
    assert (found.repeat_customers.value, found.repeat_customers.n) == (2 / 3, 3)
    assert (found.named_orders.value, found.named_orders.n) == (6 / 7, 7)
    assert (found.single_item_orders.value, found.single_item_orders.n) == (6 / 7, 7)
    assert (found.same_product.value, found.same_product.n) == (1 / 3, 3)
    assert found.same_category.value == 2 / 3
    assert found.same_seller.value == 1 / 3
    # named lines: drink 5/7 (mug, mug, cup, mug, mug), head 2/7; ann knows both, bob knows head
    assert found.category_by_chance == pytest.approx((1 + 1 + 2 / 7) / 3)
    assert found.category_lift == pytest.approx(2 / (2 + 2 / 7))
    # sellers of named lines: s1 4/7, s2 2/7, s3 1/7; ann knows s1 and s2, bob s2
    assert found.seller_by_chance == pytest.approx((6 / 7 + 6 / 7 + 2 / 7) / 3)
    assert (found.sellers, found.top_sellers) == (3, 1.0)
    assert found.seller_gini == pytest.approx(2 * (1 * 10 + 2 * 50 + 3 * 80) / (3 * 140) - 4 / 3)


def test_without_categories_or_returning_customers_it_is_not_known() -> None:
    found = habits(sales([LINES[0], LINES[6], LINES[7]]), {})
    assert found.same_category == found.same_product == Share(None, None, None, 0)
    assert found.category_lift is None
    assert found.repeat_customers.value == 0
    with pytest.raises(EmptyError):
        habits(sales([]), {})


def test_an_interval_holds_its_share_and_narrows() -> None:
    few, many = Share.of(8, 10), Share.of(800, 1000)
    assert few.low is not None
    assert many.low is not None
    assert few.low < many.low < 0.8 < many.high < few.high < 1  # type: ignore[operator]
    assert Share.of(0, 20).low == pytest.approx(0, abs=1e-12)
