import json

import polars as pl
import pytest
from typer.testing import CliRunner

from recsys.cli import build
from recsys.errors import DataError, RecsysError, RefusedError
from tests.models import choice_world
from tests.models.demand.test_nested_logit import nested_markets

SPEC = 'utility = "1 + prices + x"\ninstruments = ["demand_instruments"]\ndraws = 5\n'


@pytest.fixture(scope="module")
def panel_file(tmp_path_factory):
    panel = nested_markets(T=60)
    o = panel.offers
    table = pl.DataFrame(
        {
            "market_ids": panel.space.markets.ids[o.market].astype(str),
            "product_ids": o.alternatives.ids[o.alternative].astype(str),
            "nesting_ids": o.nests,
            "shares": panel.shares,
            "prices": o.price,
            "x": panel.columns["x"],
            "demand_instruments0": o.instruments[:, 0],
        }
    )
    file = tmp_path_factory.mktemp("panel") / "panel.csv"
    table.write_csv(file)
    (file.parent / "spec.toml").write_text(SPEC)
    return file


def run(*arguments: object):
    return CliRunner().invoke(build(), ["demand", *map(str, arguments)])


def test_a_panel_is_climbed_and_written(panel_file, tmp_path) -> None:
    out = tmp_path / "study.json"
    found = run(panel_file, "--spec", panel_file.parent / "spec.toml", "--json", out)
    assert found.exit_code == 0, found.output
    study = json.loads(out.read_text())
    assert [r["name"] for r in study["ladder"]] == ["shares", "logit", "nested_logit"]
    assert study["rung"].startswith("nested logit")
    assert study["eligible"]
    rho = next(e for e in study["estimates"] if e["name"] == "rho")
    assert rho["low"] < 0.6 < rho["high"]
    assert set(study["tables"]) >= {"own_elasticities", "elasticities", "diversion", "markups", "consumer_surplus"}
    assert "own elasticity: mean" in found.output
    assert set(study["tables"]["elasticities"]) == {"value", "low", "high"}
    rows = study["counterfactuals"]["markets"][0]["rows"]
    assert {r["change"] for r in rows} >= {"drop", "reprice"}
    assert study["counterfactuals"]["cap"] in found.output
    assert f"drop    {rows[0]['product']}" in found.output


def test_a_refused_fit_is_written_and_ends_in_an_error(panel_file, tmp_path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC)
    bad = tmp_path / "bad.csv"
    pl.read_csv(panel_file).with_columns(prices=20 - pl.col("prices")).write_csv(bad)
    out = tmp_path / "study.json"
    found = run(bad, "--spec", spec, "--rung", "iv", "--json", out)
    assert isinstance(found.exception, RefusedError)
    assert not json.loads(out.read_text())["eligible"]


def test_order_lines_go_through_the_mapping(tmp_path) -> None:
    lines = choice_world.lines().select(
        ref="order", who="customer", item="product", shop="seller", region="segment", n="quantity", paid="price",
        cost="cost", at="time", kind_of="category",
    )  # fmt: skip
    file = tmp_path / "lines.csv"
    lines.write_csv(file)
    config = tmp_path / "recsys.toml"
    config.write_text(
        '[orders]\ntime_format = "epoch_s"\n[orders.columns]\norder = "ref"\ncustomer = "who"\nproduct = "item"\n'
        'seller = "shop"\nsegment = "region"\nquantity = "n"\nprice = "paid"\ntime = "at"\ncost = "cost"\n'
        'category = "kind_of"\n'
    )
    spec = tmp_path / "spec.toml"
    spec.write_text('effects = ["product", "segment", "period"]\ninstruments = ["cost"]\ndraws = 3\n')
    out = tmp_path / "study.json"
    found = run(file, "--config", config, "--spec", spec, "--rung", "logit", "--json", out)
    assert found.exit_code == 0, (found.output, found.exception)
    study = json.loads(out.read_text())
    assert study["account"]["kept"]["units"] == len(lines)
    assert study["data"]["markets"] == 52
    told = found.output
    assert told.index("can bear blp") < told.index("own elasticity: mean")  # before any estimate
    assert f"order lines: kept: {len(lines):,} lines" in told
    assert "seller concentration" in told
    assert study["estimates"][0]["value"] < -0.3


def test_a_file_that_is_no_panel_says_what_is_missing(tmp_path) -> None:
    file = tmp_path / "some.csv"
    file.write_text("a,b\n1,2\n")
    found = run(file)
    assert isinstance(found.exception, DataError)
    assert "market_ids" in str(found.exception)


def bad(panel_file, tmp_path, **columns: pl.Expr):
    """The panel with some columns replaced."""
    file = tmp_path / "bad.csv"
    pl.read_csv(panel_file).with_columns(**columns).write_csv(file)
    return file


@pytest.mark.parametrize(
    ("columns", "rung", "words"),
    [
        ({"shares": pl.lit(0.0)}, "iv", "no unit sold anywhere"),
        ({"shares": pl.lit(0.9)}, "iv", "Raise the market size"),
        ({"demand_instruments0": pl.lit(2.0)}, "iv", "0 that vary within the fixed effects"),
        ({"demand_instruments0": pl.lit(2.0)}, "auto", "give costs, other regions' prices or rivals' attributes"),
        ({"prices": pl.lit("dear")}, "iv", "prices"),
    ],
)
def test_bad_panels_are_refused_with_a_cure_and_write_nothing(panel_file, tmp_path, columns, rung, words) -> None:
    out, spec = tmp_path / "study.json", panel_file.parent / "spec.toml"
    found = run(bad(panel_file, tmp_path, **columns), "--spec", spec, "--rung", rung, "--json", out)
    assert isinstance(found.exception, RecsysError)
    assert words in str(found.exception)
    assert not out.exists()


def test_markets_of_one_product_are_no_choice(panel_file, tmp_path) -> None:
    file, out = tmp_path / "one.csv", tmp_path / "study.json"
    pl.read_csv(panel_file).unique("market_ids", keep="first").write_csv(file)
    found = run(file, "--spec", panel_file.parent / "spec.toml", "--json", out)
    assert "1 product in every market" in str(found.exception)
    assert "larger markets" in str(found.exception)
    assert not out.exists()
