"""What would happen, on the shop whose customers choose by a logit with known prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.assortment.counterfactual import Shelf, drop
from recsys.contest.counterfactuals import CAP, PRODUCTS, counterfactuals, nightly
from recsys.contract import Run
from recsys.data.lake import Lake, ref_from
from recsys.models.demand.agents import draw
from recsys.models.demand.restored import restored
from recsys.models.demand.system import Demand, Estimates, panel_of, tastes
from recsys.models.demand.tables import drawn_markets, rows_of, tables
from recsys.models.logit import Logit
from tests.contest.market_world import data
from tests.contest.test_demand import stored

CHOICE = Logit(draws=5, instruments=("cost",))


@pytest.fixture(scope="module")
def system() -> Demand:
    return CHOICE.estimate(panel_of(data()), Run())[0]


@pytest.fixture(scope="module")
def found(system: Demand) -> dict[str, Any]:
    return counterfactuals(system)


def test_the_newest_market_of_each_segment_is_asked(found: dict[str, Any], system: Demand) -> None:
    newest = sorted(str(m) for m in system.panel.space.markets.ids)
    wanted = {max(m for m in newest if m.startswith(s)) for s in ("north", "south")}
    assert {m["market"] for m in found["markets"]} == wanted
    assert found["cap"] == CAP
    for market in found["markets"]:
        drops = [r["product"] for r in market["rows"] if r["change"] == "drop"]
        assert len(set(drops)) == PRODUCTS + 1


def test_a_drop_is_the_shelf_without_it(found: dict[str, Any], system: Demand) -> None:
    """The table's numbers from the shares, prices and implied costs of the market, by hand."""
    told = found["markets"][0]
    market = system.panel.space.markets.row(told["market"])
    o, rows = system.panel.offers, rows_of(system, market)
    row = next(r for r in told["rows"] if r["change"] == "drop")
    j = o.alternatives.ids[o.alternative[rows]].tolist().index(row["product"])
    choice = system.scorer().market(market)
    assert choice.shares()[j] == choice.shares().max()
    diversion = choice.diversion()[j]
    assert row["fixed"]["buys_nothing"] == pytest.approx(diversion[j], abs=1e-10)
    assert row["fixed"]["to"][0]["part"] == pytest.approx(np.delete(diversion, j).max(), abs=1e-10)
    shelf = Shelf.observed(choice, o.firm[rows], float(o.size[market]))
    by_hand = drop(shelf, np.arange(len(rows)) == j, solve_prices=True)
    assert row["solved"]["profit"]["value"] == pytest.approx(by_hand.numbers()["profit"])
    at_todays = drop(shelf, np.arange(len(rows)) == j).numbers()
    assert row["fixed"]["surplus"]["value"] == pytest.approx(at_todays["surplus"])
    assert row["fixed"]["surplus"]["value"] < 0


def test_intervals_hold_their_values_and_a_dearer_product_sells_less(found: dict[str, Any]) -> None:
    repriced = [r for m in found["markets"] for r in m["rows"] if r["change"] == "reprice"]
    assert repriced
    for row in repriced:
        before, after = row["price"]
        assert 0 < abs(after / before - 1) <= 0.1 + 1e-9
        for at in ("fixed", "solved"):
            for name in ("revenue", "profit", "surplus"):
                value, low, high = (row[at][name][k] for k in ("value", "low", "high"))
                assert low < value < high
        assert (row["fixed"]["surplus"]["value"] < 0) == (after > before)


def test_a_price_stays_where_prices_have_been(system: Demand, found: dict[str, Any]) -> None:
    o = system.panel.offers
    for row in (r for m in found["markets"] for r in m["rows"] if r["change"] == "reprice"):
        mine = o.price[o.alternative == o.alternatives.row(row["product"])]
        assert mine.min() <= row["price"][1] <= mine.max()


def test_a_product_the_market_lacks_is_added_from_its_attributes(system: Demand) -> None:
    o = system.panel.offers
    market = max(str(m) for m in system.panel.space.markets.ids)
    gone = (o.market == system.panel.space.markets.row(market)) & (o.alternative == 0)
    smaller = CHOICE.estimate(system.panel.take(~gone), Run())[0]
    rows = next(m["rows"] for m in counterfactuals(smaller)["markets"] if m["market"] == market)
    (added,) = (r for r in rows if r["change"] == "add")
    assert added["product"] == str(o.alternatives.ids[0])
    assert added["fixed"]["surplus"]["value"] > 0
    assert added["fixed"]["surplus"]["low"] is None  # its worth is a prediction
    assert sum(t["part"] for t in added["fixed"]["to"]) < 1


def test_a_stored_fit_is_the_system_it_was(system: Demand) -> None:
    """With tastes too: the same draws from scorer, report and state as from the estimation."""
    markets = len(system.panel.space.markets)
    nodes, _, weight, group = draw(markets, 1, "product", 5).blocks(markets)
    theta, basis = np.array([0.2]), nodes[:, :, :, None]
    tasted = replace(
        system,
        tastes=tastes(system.panel, ("prices",), basis @ theta, weight, group),
        nonlinear=Estimates(("sigma prices",), theta, np.array([[0.01]])),
        basis=basis,
    )
    for demand in (system, tasted):
        report = {
            "estimates": demand.linear.json() + demand.nonlinear.json(),
            "tables": tables(demand, draws=2),
        }
        state = {} if demand.basis is None else {"basis": demand.basis}
        again = restored(demand.scorer(), report, state)
        assert again is not None
        for a, b in zip(drawn_markets(demand, 3, 4), drawn_markets(again, 3, 4), strict=True):
            np.testing.assert_allclose(a.utility, b.utility, atol=1e-8)
            np.testing.assert_allclose(a.price_effect, b.price_effect)
    assert restored(tasted.scorer(), report, {}) is None
    assert restored(system.scorer(), {"estimates": []}, {}) is None


def test_the_table_lies_in_the_lake_and_an_old_fit_says_why_not(tmp_path: Any) -> None:
    lake, fitted = Lake(str(tmp_path)), CHOICE.fit(data(), Run())
    record = stored(lake, "logit", fitted)
    told = nightly(lake, "nights/x", record, fitted.report)
    assert told["status"] == "ok"
    assert lake.read_json(ref_from(told["table"]))["markets"]
    unsure = {k: v for k, v in fitted.report.items() if k != "tables"}
    assert "how sure" in nightly(lake, "nights/y", record, unsure)["reason"]
