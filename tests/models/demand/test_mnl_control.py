import dataclasses

import numpy as np
import polars as pl
import pytest

from recsys.contract import Run
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.mnl_control import CONTROL, Counts, fit_mnl, maximise
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import fit_logit
from recsys.models.demand.read import panel_from

SPEC = Formulas("1 + prices + x", ())


def thin_markets(seed: int, visitors: int = 300, T: int = 100, J: int = 50) -> Panel:
    """True price coefficient -1; sellers see the demand shock; a third of the cells sell nothing."""
    rng = np.random.default_rng(seed)
    x, z, v = (rng.normal(size=(T, J)) for _ in range(3))
    p = 6 + z + 0.5 * x + v
    u = 1 + x - p + v + 0.2 * rng.normal(size=(T, J))
    s = np.exp(u) / (1 + np.exp(u).sum(axis=1, keepdims=True))
    units = np.array([rng.multinomial(visitors, np.append(row, 1 - row.sum()))[:-1] for row in s])
    table = pl.DataFrame(
        {
            "market_ids": np.repeat([f"{t:03d}" for t in range(T)], J),
            "product_ids": np.tile([f"{j:02d}" for j in range(J)], T),
            "shares": units.ravel() / visitors,
            "prices": p.ravel(),
            "x": x.ravel(),
            "demand_instruments0": z.ravel(),
        }
    )
    panel = panel_from(table)
    return dataclasses.replace(panel, offers=dataclasses.replace(panel.offers, size=np.full(T, float(visitors))))


def add_to_shares(panel: Panel, units: float) -> Panel:
    o = panel.offers
    shares = (o.shares * 300 + units) / (300 + units * 51)
    return dataclasses.replace(panel, offers=dataclasses.replace(o, shares=shares))


def test_zero_shares_do_not_bias_the_control_function() -> None:
    """AC-Z1: within .05 of the truth where two-stage least squares on what sold misses by a third."""
    panels = [thin_markets(seed) for seed in range(8)]
    assert np.mean([(p.shares == 0).mean() for p in panels]) > 0.2
    found = [fit_mnl(p, SPEC, Run(), draws=0)[0].price_coefficient[0] for p in panels]
    naive = [fit_mnl(p, SPEC, Run(), control=False)[0].price_coefficient[0] for p in panels]
    dropped = [fit_logit(p, SPEC)[0].price_coefficient[0] for p in panels]
    plus_one = [fit_logit(add_to_shares(p, 1.0), SPEC)[0].price_coefficient[0] for p in panels]
    assert np.mean(found) == pytest.approx(-1.0, abs=0.05)
    assert np.mean(naive) > -0.6
    assert np.mean(dropped) > -0.7
    assert np.mean(plus_one) > -0.7


def test_the_bootstrap_covers_the_truth() -> None:
    demand, card = fit_mnl(thin_markets(3, T=60), SPEC, Run(seed=5), draws=20)
    price, se = demand.price_coefficient
    assert 0.005 < se < 0.1
    assert abs(price + 1) < 4 * se
    assert card.eligible, card.sentence()
    assert demand.nonlinear.names == (CONTROL + "prices",)
    assert demand.nonlinear.value[0] == pytest.approx(1.0, abs=0.15)


def test_one_parameter_by_hand() -> None:
    """One product, 30 of 100 buy it: the constant is log(30 / 70); without the outside good it says nothing."""
    counts = Counts(np.zeros(1, np.int32), np.array([30.0]), np.array([70.0]))
    fit = maximise(np.ones((1, 1)), counts)
    assert fit.converged
    assert fit.theta[0] == pytest.approx(np.log(3 / 7), abs=1e-9)
    assert fit.information[0, 0] == pytest.approx(100 * 0.3 * 0.7, rel=1e-4)


def test_effects_and_conditional_likelihood_find_the_same_price() -> None:
    panel = thin_markets(1, visitors=30_000, T=30, J=12)
    with_outside, _ = fit_mnl(panel, Formulas("prices + x", ("product",)), Run(), draws=0)
    conditional, _ = fit_mnl(panel, Formulas("prices + x", ("product", "market")), Run(), draws=0)
    assert with_outside.price_coefficient[0] == pytest.approx(-1, abs=0.05)
    assert conditional.price_coefficient[0] == pytest.approx(-1, abs=0.05)


def test_a_product_that_never_sold_gets_a_finite_utility() -> None:
    panel = thin_markets(2, T=20, J=9)
    shares = np.where(panel.offers.alternative == 4, 0.0, panel.shares)
    panel = dataclasses.replace(panel, offers=dataclasses.replace(panel.offers, shares=shares))
    demand, _ = fit_mnl(panel, Formulas("prices + x", ("product",)), Run(), draws=3)
    assert np.isfinite(demand.delta).all()
    assert np.isfinite(demand.linear.se).all()
