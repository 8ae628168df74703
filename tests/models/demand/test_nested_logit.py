import numpy as np
import polars as pl
import pytest

from recsys.errors import DataError
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.nested_logit import fit_nested
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import own_elasticities
from recsys.models.demand.read import panel_from

SPEC = Formulas("1 + prices + x", ())


def nested_markets(rho: float = 0.6, T: int = 300, seed: int = 0) -> Panel:
    """Three nests of 2 to 7 products; true price coefficient -1, x 0.8."""
    rng = np.random.default_rng(seed)
    names = ("market_ids", "product_ids", "nesting_ids", "shares", "prices", "x", "z")
    columns: dict[str, list] = {name: [] for name in names}
    for t in range(T):
        nests = np.repeat(np.arange(3), rng.integers(2, 8, 3))
        n = len(nests)
        x, z, xi = rng.normal(size=n), rng.normal(size=n), 0.4 * rng.normal(size=n)
        p = 6 + z + xi
        delta = 4 - p + 0.8 * x + xi
        strength = np.exp(delta / (1 - rho))
        inclusive = np.bincount(nests, strength)
        s = strength / inclusive[nests] ** rho / (1 + (inclusive ** (1 - rho)).sum())
        values = (np.full(n, f"{t:03d}"), [f"{i:02d}" for i in range(n)], nests, s, p, x, z)
        for name, value in zip(columns, values, strict=True):
            columns[name] += list(value)
    return panel_from(pl.DataFrame(columns).rename({"z": "demand_instruments0"}))


def test_nesting_is_found() -> None:
    panel = nested_markets()
    demand, card = fit_nested(panel, SPEC)
    assert card.eligible, card.sentence()
    rho, se = demand.nonlinear.get("rho")
    assert rho == pytest.approx(0.6, abs=0.03)
    assert abs(rho - 0.6) < 4 * se
    assert demand.price_coefficient[0] == pytest.approx(-1, abs=0.06)
    assert demand.linear.get("x")[0] == pytest.approx(0.8, abs=0.06)


def test_predicted_shares_equal_observed_shares() -> None:
    panel = nested_markets(T=9)
    demand, _ = fit_nested(panel, SPEC)
    scorer = demand.scorer()
    for market in range(9):
        rows = scorer.rows_of(market)
        np.testing.assert_allclose(scorer.market(market).shares(), panel.shares[rows], atol=1e-12)
    assert (own_elasticities(demand) < 0).all()


def test_shares_and_elasticities_equal_pyblp() -> None:
    """The same system in pyblp: elasticities agree to 1e-10."""
    import pyblp

    pyblp.options.verbose = False
    panel = nested_markets(T=12)
    demand, _ = fit_nested(panel, SPEC)
    o = panel.offers
    data = {"market_ids": o.market, "shares": panel.shares, "prices": o.price, "nesting_ids": o.nests,
            "x": o.attributes[:, o.attribute_names.index("x")], "demand_instruments": o.instruments}  # fmt: skip
    problem = pyblp.Problem(pyblp.Formulation("1 + prices + x"), data)
    results = problem.solve(rho=demand.rho, optimization=pyblp.Optimization("return"), method="1s",
                            beta=demand.linear.value[:, None])  # fmt: skip
    theirs = results.compute_elasticities()
    scorer = demand.scorer()
    for market in range(12):
        rows = scorer.rows_of(market)
        ours = scorer.market(market).elasticities()
        np.testing.assert_allclose(ours, theirs[rows][:, : len(rows)], atol=1e-10)


def test_without_nests_the_cure_is_named() -> None:
    panel = nested_markets(T=5)
    from dataclasses import replace

    with pytest.raises(DataError, match="nesting_ids"):
        fit_nested(replace(panel, offers=replace(panel.offers, nests=None)), SPEC)
