import polars as pl
import pytest

from recsys.errors import DataError
from recsys.models.demand.read import panel_from, read_table

TABLE = pl.DataFrame(
    {
        "market_ids": ["b", "b", "a", "a", "a"],
        "product_ids": ["x", "y", "z", "y", "x"],
        "firm_ids": [1, 2, 2, 2, 1],
        "shares": [0.1, 0.2, 0.1, 0.3, 0.25],
        "prices": [1.0, 2.0, 3.0, 4.0, 5.0],
        "sugar": [3, 4, 5, 4, 3],
        "colour": ["red", "blue", "red", "blue", "red"],
        "demand_instruments0": [0.1, 0.2, 0.3, 0.4, 0.5],
    }
)


def test_columns_find_their_roles() -> None:
    panel = panel_from(TABLE)
    assert panel.space.markets.ids.tolist() == ["a", "b"]
    assert panel.offers.market.tolist() == [1, 1, 0, 0, 0]
    assert panel.offers.alternative.tolist() == [0, 1, 2, 1, 0]
    assert panel.offers.attribute_names == ("sugar",)
    assert panel.offers.instrument_names == ("demand_instruments0",)
    assert panel.level("colour").tolist() == [1, 0, 1, 0, 1]
    assert panel.outside.tolist() == pytest.approx([0.7, 0.7, 0.35, 0.35, 0.35])


def test_region_and_period_make_the_market() -> None:
    table = TABLE.with_columns(region_ids=pl.lit("north"), period_ids=pl.col("market_ids"))
    panel = panel_from(table)
    assert panel.space.markets.ids.tolist() == ["north@a", "north@b"]
    assert panel.space.segments.ids.tolist() == ["north"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (TABLE.drop("shares"), "shares"),
        (TABLE.head(0), "no rows"),
        (TABLE.with_columns(prices=pl.lit(None, pl.Float64)), "5 empty values"),
        (TABLE.with_columns(prices=pl.lit("dear")), "'prices'"),
        (TABLE.with_columns(product_ids=pl.lit("x")), "more than once in market"),
    ],
)
def test_a_bad_panel_names_what_is_wrong(change: pl.DataFrame, words: str) -> None:
    with pytest.raises(DataError, match=words):
        panel_from(change)


@pytest.mark.parametrize(("shares", "words"), [(pl.lit(0.0), "no unit sold"), (pl.lit(0.5), "room for buying nothing")])
def test_shares_that_make_no_sense_are_refused(shares: pl.Expr, words: str) -> None:
    with pytest.raises(DataError, match=words):
        _ = panel_from(TABLE.with_columns(shares=shares)).shares


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match="no file"):
        read_table(tmp_path / "nowhere.csv")
