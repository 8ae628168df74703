"""The simulated shop as it is handed over: its own recsys.toml reads every row of every file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.config import Settings, load
from recsys.data import ingest as door
from recsys.data.ingest import lake_exposures, lake_orders, lake_table
from recsys.data.lake import Lake
from recsys.data.marketplace import Size
from recsys.data.simulate import simulate, write

SHOP = Path(__file__).parents[2] / "shops" / "marketplace" / "recsys.toml"
LAST = 1_000_000  # a day after all days


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Lake, list[dict[str, Any]]]:
    root = tmp_path_factory.mktemp("shop")
    (root / "recsys.toml").write_text(SHOP.read_text())
    write(simulate(Size(customers=90, products=60, sellers=7, days=35, seed=2)), root / "data")
    settings = load(root / "recsys.toml")
    lake = Lake(str(root / "lake"))
    door.ingest(lake, door.sources_of(settings), settings.shop)
    return settings, lake, [lake.read_json(path)["report"] for path in lake.paths("ingests")]


def test_every_row_of_every_table_is_accepted(handed_over: Any) -> None:
    _, _, reports = handed_over
    assert {report["table"] for report in reports} == {"orders", "products", "customers", "exposures"}
    for report in reports:
        assert report["rows_in"] == report["accepted"] > 0, report


def test_exposures_carry_the_contract_with_propensities_arms_and_outcomes(handed_over: Any) -> None:
    _, lake, _ = handed_over
    shown = lake_exposures(lake, LAST)
    assert shown is not None
    wanted = ("time", "visitor", "surface", "slate", "position", "product", "propensity", "arm", "outcome")
    assert set(wanted) <= set(shown.columns)
    assert shown.select(pl.col(*wanted).is_null().any()).row(0) == (False,) * len(wanted)
    assert 0 < shown["propensity"].min() <= shown["propensity"].max() <= 1  # type: ignore[operator]
    assert set(shown["arm"]) == {"random", "popular", "personal"}
    assert set(shown["outcome"]) == {0, 1}
    assert sorted(set(shown["position"])) == [1, 2, 3, 4, 5]


def test_fees_are_no_products_and_returns_take_lines_back(handed_over: Any) -> None:
    _, lake, _ = handed_over
    lines = lake_orders(lake, LAST).collect()
    kinds = dict(lines.group_by("kind").agg(pl.len()).rows())
    assert set(kinds) == {"sale", "return", "non_product"}
    fees = lines.filter(pl.col("product").is_in(["SETUP", "SHIP"]))
    assert set(fees["kind"]) == {"non_product"}
    assert fees.height == kinds["non_product"]
    assert lines.filter(pl.col("kind") == "return")["order"].str.starts_with("R").all()


def test_products_have_the_attributes_of_customised_apparel(handed_over: Any) -> None:
    _, lake, _ = handed_over
    products = lake_table(lake, "products")
    assert products is not None
    assert {"category", "colour", "sleeve", "theme", "design", "cost"} <= set(products.columns)


def test_the_shop_enters_every_kind_of_contender_that_its_data_can_feed(handed_over: Any) -> None:
    settings, _, _ = handed_over
    families = {contender.family for contender in settings.entered().values()}
    assert families >= {
        "popularity", "buy_again", "item_neighbours", "user_neighbours", "ease", "als", "lightfm", "complements",
        "logit", "nested_logit", "blp",
    }  # fmt: skip
    losses = {c.settings["loss"] for c in settings.entered().values() if c.family == "lightfm"}
    assert losses == {"logistic", "bpr", "warp", "warp-kos"}
    assert settings.shop.take_rate == pytest.approx(1 / 3.5, abs=0.001)  # over $1M of $3.5M
