import polars as pl
import pytest

from recsys.config import Markets
from recsys.data.markets import OTHER, first_day, market_sizes, period_name, with_market

MONDAY = 20_094  # 2025-01-06


@pytest.mark.parametrize(
    ("day", "period", "name"),
    [
        (MONDAY, "week", "2025-01-06"),
        (MONDAY + 6, "week", "2025-01-06"),
        (MONDAY + 7, "week", "2025-01-13"),
        (MONDAY - 1, "week", "2024-12-30"),
        (MONDAY + 6, "day", "2025-01-12"),
        (MONDAY + 6, "month", "2025-01"),
    ],
)
def test_a_day_belongs_to_one_period(day: int, period: str, name: str) -> None:
    assert period_name(day, period) == name
    assert first_day(first_day(day, period), period) == first_day(day, period) <= day


def lines() -> pl.DataFrame:
    rows = [("north", MONDAY, 60, "ann"), ("north", MONDAY + 8, 30, "bob"), ("south", MONDAY, 38, "cid")]
    rows += [("isle", MONDAY, 2, "ann")]
    return pl.DataFrame(rows, schema=["segment", "day", "quantity", "customer"], orient="row")


def test_small_segments_are_pooled() -> None:
    table = with_market(lines(), Markets(least_segment=0.05))
    names = ["north@2025-01-06", "north@2025-01-13", "south@2025-01-06", f"{OTHER}@2025-01-06"]
    assert table["market"].to_list() == names


def test_market_size_is_a_multiple_of_the_busiest_period() -> None:
    table = with_market(lines(), Markets(least_segment=0.0))
    sizes = dict(market_sizes(table, Markets(size_multiple=3.0)).iter_rows())
    assert sizes == {"north@2025-01-06": 180, "north@2025-01-13": 180, "south@2025-01-06": 114, "isle@2025-01-06": 6}
    seen = pl.DataFrame({"market": ["north@2025-01-13"], "size": [1000]})
    sizes = dict(market_sizes(table, Markets(size_multiple=3.0), seen).iter_rows())
    assert sizes["north@2025-01-13"] == 1000
    assert sizes["north@2025-01-06"] == 180
