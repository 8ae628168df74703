"""BLP's health card on a simulated economy: fine as it is, failed where instruments are noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.contract import Run
from recsys.models.demand.agents import draw
from recsys.models.demand.blp import BlpFit, Settings, fit_blp, look_at
from recsys.models.demand.blp_health import blp_health
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Verdict
from recsys.models.demand.health import mean_own, with_market_size
from recsys.models.demand.panel import Panel
from tests.models.demand.economies import simulated

FORMULAS = Formulas("1 + prices + x", (), "x")
AGENTS = draw(20, 1, "product", 7)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return simulated(1, 20)


@pytest.fixture(scope="module")
def fit(panel: Panel) -> BlpFit:
    return fit_blp(panel, FORMULAS, AGENTS, Settings(sigma=(0.6,), method="2s"), Run())


def test_instruments_that_move_prices_pass_and_agree(panel: Panel, fit: BlpFit) -> None:
    card = {g.name: g for g in blp_health(panel, FORMULAS, AGENTS, fit, "2s")}
    assert card["first stage of prices"].verdict is not Verdict.FAILED
    assert card["over-identification"].verdict is Verdict.PASSED
    assert 0.01 < card["over-identification"].found <= 1
    assert "quantity discounts" not in card  # the panel does not tell bulk lines apart


def test_other_people_are_asked_at_the_fits_tastes(panel: Panel, fit: BlpFit) -> None:
    card = {g.name: g for g in blp_health(panel, FORMULAS, AGENTS, fit, "2s")}
    sigma, pi = np.diag(fit.state["sigma"]), fit.state["pi"]
    twice = look_at(with_market_size(panel, 2.0), FORMULAS, AGENTS, sigma, pi, "2s").demand
    assert f"{mean_own(twice):.2f} at 2 x the people" in card["market size"].words
    assert f"{mean_own(fit.demand):.2f} at 1 x the people" in card["market size"].words


def test_instruments_that_are_noise_bar_the_fit(panel: Panel, fit: BlpFit) -> None:
    z = panel.offers.instruments
    assert z is not None
    noise = np.random.default_rng(0).normal(size=z.shape)
    blind = replace(panel, offers=replace(panel.offers, instruments=noise))
    card = {g.name: g for g in blp_health(blind, FORMULAS, AGENTS, fit, "1s")}
    assert card["first stage of prices"].verdict is Verdict.FAILED
    assert "hardly move prices" in card["first stage of prices"].words
