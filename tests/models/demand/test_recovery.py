"""Planted truths found again: BLP on simulated markets, and least squares visibly wrong on the same data."""

import numpy as np
import pytest

from recsys.contract import Run
from recsys.models.demand.agents import draw
from recsys.models.demand.blp import BlpFit, Settings, fit_blp
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.plain_logit import fit_logit
from tests.models.demand.economies import simulated

FORMULAS = Formulas("1 + prices + x", (), "x")
PRICE, SIGMA = -2.0, 1.2


def solve(seed: int, markets: int) -> BlpFit:
    panel = simulated(seed, markets)
    settings = Settings(sigma=(0.6,), optimal_instruments=True)
    return fit_blp(panel, FORMULAS, draw(markets, 1, "product", 7), settings, Run())


def test_blp_finds_price_and_spread() -> None:
    """AC-S1, the version for every push."""
    fits = [solve(seed, 25) for seed in range(8)]
    assert all(f.card.eligible for f in fits), [f.card.sentence() for f in fits]
    assert abs(np.mean([f.demand.price_coefficient[0] for f in fits]) - PRICE) < 0.15
    assert abs(np.mean([f.demand.nonlinear.value[0] for f in fits]) - SIGMA) < 0.15


def test_least_squares_is_visibly_biased_where_instruments_are_not() -> None:
    panels = [simulated(seed, 50) for seed in range(3)]
    naive = np.mean([fit_logit(p, FORMULAS, "ols")[0].price_coefficient[0] for p in panels])
    moved = np.mean([fit_logit(p, FORMULAS, "2sls")[0].price_coefficient[0] for p in panels])
    assert naive > PRICE + 0.4
    assert abs(moved - PRICE) < 0.3


@pytest.mark.slow
def test_blp_self_test() -> None:
    """AC-S1 in full: 40 replications with 100 markets."""
    fits = [solve(seed, 100) for seed in range(40)]
    assert all(f.card.eligible for f in fits)
    price = np.array([f.demand.price_coefficient for f in fits])
    sigma = np.array([f.demand.nonlinear.get("sigma x") for f in fits])
    for found, truth in ((price, PRICE), (sigma, SIGMA)):
        assert abs(found[:, 0].mean() - truth) < 0.05
        covered = np.abs(found[:, 0] - truth) < 1.96 * found[:, 1]
        assert 0.86 <= covered.mean() <= 1
