"""What an earlier day is allowed to know."""

from __future__ import annotations

import polars as pl

from recsys.data.dataset import Tables
from recsys.data.prepare import _as_known_then


def test_an_earlier_day_has_its_own_lines_and_nothing_of_todays_stock_and_prices() -> None:
    lines = pl.DataFrame({"day": [3, 4, 5], "product": ["a", "b", "a"]})
    products = pl.DataFrame(
        {"product": ["a", "b"], "price": [1.0, 2.0], "available": [True, False], "design": ["d", "e"]}
    )
    customers = pl.DataFrame({"customer": ["x"]})
    then = _as_known_then(Tables(lines.lazy(), products, customers), 4)
    assert then.lines.collect()["day"].to_list() == [3, 4]
    assert then.products.columns == ["product", "design"]
    assert then.products.height == 2
    assert then.customers is customers


def test_an_earlier_day_of_a_shop_without_a_catalogue() -> None:
    then = _as_known_then(Tables(pl.DataFrame({"day": [3, 4]})), 3)
    assert then.lines["day"].to_list() == [3]
    assert then.products is None
