import dataclasses

import numpy as np
import pytest

from recsys.contract import Run
from recsys.models.demand.agents import draw
from recsys.models.demand.blp import Settings, fit_blp
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.plain_logit import fit_logit
from recsys.models.demand.system import Demand
from recsys.models.demand.tables import drawn_markets, heat_map, reference_market, rows_of, tables
from tests.models.demand.economies import nevo, nevo_agents, simulated


@pytest.fixture(scope="module")
def cereal() -> Demand:
    return fit_logit(nevo(), Formulas(), "gmm")[0]


def test_intervals_hold_their_values_and_follow_the_standard_error(cereal: Demand) -> None:
    found = tables(cereal, draws=200)
    own = found["own_elasticities"]
    value, low, high = (np.array(own[k]) for k in ("value", "low", "high"))
    assert (low < value).all()
    assert (value < high).all()
    price, se = cereal.price_coefficient
    np.testing.assert_allclose((high - low) / np.abs(value), 2 * 1.645 * se / -price, rtol=0.2)
    cross = {k: np.array(found["elasticities"][k]) for k in ("value", "low", "high")}
    assert (cross["low"] < cross["value"]).all()
    assert (cross["value"] < cross["high"]).all()
    np.testing.assert_allclose(np.diag(cross["low"]), low)
    assert (cross["low"][~np.eye(len(low), dtype=bool)] > 0).all()  # every other product is a substitute, surely
    np.testing.assert_allclose(found["covariance"], cereal.covariance)
    assert found["market"] in cereal.panel.space.markets.ids
    np.testing.assert_allclose(np.sum(found["diversion"]["value"], axis=1), 1, atol=1e-9)
    assert found["willingness_to_pay"] == {}


def test_markups_equal_pyblps(cereal: Demand) -> None:
    """Bertrand markups of multi-product firms, in money."""
    import pyblp

    pyblp.options.verbose = False
    panel, o = cereal.panel, cereal.panel.offers
    data = {"market_ids": o.market, "firm_ids": o.firm, "product_ids": o.alternative, "shares": panel.shares,
            "prices": o.price, "demand_instruments": o.instruments}  # fmt: skip
    results = pyblp.Problem(pyblp.Formulation("prices", absorb="C(product_ids)"), data).solve()
    theirs = o.price - results.compute_costs().ravel()
    for market in (0, 50):
        rows = rows_of(cereal, market)
        ours = cereal.scorer().market(market).markups(o.firm[rows])
        np.testing.assert_allclose(ours, theirs[rows], rtol=1e-9)


def test_every_draw_predicts_the_same_shares() -> None:
    panel = simulated(1, 20)
    agents = draw(20, 1, "product", 7)
    fit = fit_blp(panel, Formulas("1 + prices + x", (), "x"), agents, Settings(sigma=(0.6,)), Run())
    market = reference_market(fit.demand)
    wanted = panel.shares[rows_of(fit.demand, market)]
    own = []
    for choice in drawn_markets(fit.demand, market, 5):
        np.testing.assert_allclose(choice.shares(), wanted, rtol=1e-9)
        own.append(choice.own_elasticities())
    assert np.ptp(own, axis=0).min() > 0
    wtp = tables(fit.demand, draws=50)["willingness_to_pay"]["x"]
    assert wtp["low"] < wtp["value"] < wtp["high"]


def test_heat_map_by_seller_adds_up_to_the_elasticity_of_all_prices(cereal: Demand) -> None:
    o = cereal.panel.offers
    seller = np.zeros(len(o.alternatives), dtype=np.int32)
    seller[o.alternative] = o.firm
    found = heat_map(cereal, seller, len(cereal.panel.space.sellers), markets=1)
    whole = heat_map(cereal, np.zeros_like(seller), 1, markets=1)
    assert (np.diag(found) < 0).all()
    assert (found[~np.eye(len(found), dtype=bool)] > 0).all()
    choice = cereal.scorer().market(int(o.market.max()))
    s = choice.shares()
    np.testing.assert_allclose(whole[0, 0], s @ choice.elasticities() @ np.ones(len(s)) / s.sum())


@pytest.mark.slow
def test_diversion_elasticities_and_surplus_equal_pyblps_on_nevo_blp() -> None:
    import polars as pl
    import pyblp

    from recsys.models.demand.blp import look_at
    from tests.models.demand.test_blp import CEREAL, STOPPED

    pyblp.options.verbose = False
    panel = nevo()
    point = STOPPED[2]
    fit = look_at(panel, CEREAL, nevo_agents(panel), np.array(point["sigma"]), np.array(point["pi"]))
    products, agents = (
        pl.read_csv(f).to_pandas() for f in (pyblp.data.NEVO_PRODUCTS_LOCATION, pyblp.data.NEVO_AGENTS_LOCATION)
    )
    parts = (pyblp.Formulation("0 + prices", absorb="C(product_ids)"), pyblp.Formulation("1 + prices + sugar + mushy"))
    people = pyblp.Formulation("0 + income + income_squared + age + child")
    results = pyblp.Problem(parts, products, people, agents).solve(
        np.diag(point["sigma"]), point["pi"], method="1s", optimization=pyblp.Optimization("return"),
        iteration=pyblp.Iteration("squarem", {"atol": 1e-14}),
    )  # fmt: skip
    elasticities, diversion = results.compute_elasticities(), results.compute_long_run_diversion_ratios()
    surplus = results.compute_consumer_surpluses().ravel()
    scorer = fit.demand.scorer()
    for market in (0, 40, 93):
        rows = scorer.rows_of(market)
        choice = scorer.market(market)
        np.testing.assert_allclose(choice.elasticities(), elasticities[rows], atol=1e-9)
        np.testing.assert_allclose(choice.diversion(), diversion[rows], atol=1e-10)
        np.testing.assert_allclose(choice.weight @ choice.surplus(), surplus[market], rtol=1e-9)


def test_one_market_can_be_asked_for(cereal: Demand) -> None:
    assert tables(cereal, market=3, draws=2)["market"] == cereal.panel.space.markets.ids[3]
    assert dataclasses.is_dataclass(cereal)
