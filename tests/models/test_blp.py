"""What [contenders.blp] can be told: integration rule, steps of GMM; and what a fit leaves for the night."""

from __future__ import annotations

import pytest

from recsys.contest.counterfactuals import counterfactuals
from recsys.contract import Run
from recsys.errors import ConfigError
from recsys.models import catalog
from recsys.models.blp import Blp
from recsys.models.demand.restored import restored
from recsys.models.demand.system import panel_of
from recsys.scorers.choice import ChoiceScorer
from tests.models import choice_world

TASTE = {"instruments": ["cost", "nest_rival_cost"], "random": "category:cup", "optimal_instruments": False}


@pytest.mark.parametrize(
    ("settings", "points"),
    [
        ({}, 7),
        ({"random": "1 + prices"}, 49),
        ({"random": "1 + prices", "rule": "halton", "nodes": 600}, 600),
        ({"rule": "halton"}, 500),
        ({"rule": "product", "nodes": 9}, 9),
    ],
)
def test_the_integration_rule_is_chosen(settings: dict[str, object], points: int) -> None:
    data = choice_world.data()
    panel = panel_of(data)
    agents = Blp(**settings).agents(panel, data)  # type: ignore[arg-type]
    assert len(agents.weight) == points * len(panel.space.markets)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="halton"):
        catalog.build("blp", {"rule": "montecarlo"})


def test_two_step_gmm_is_gated_at_both_steps_and_leaves_what_counterfactuals_need() -> None:
    fitted = catalog.build("blp", {**TASTE, "method": "2s"}).fit(choice_world.data(), Run())
    names = {gate["name"] for gate in fitted.report["gates"]}
    assert {"gradient (step 1)", "gradient (step 2)"} <= names
    assert {"first stage of prices", "market size", "quantity discounts"} <= names
    price = next(e for e in fitted.report["estimates"] if e["name"] == "prices")
    assert price["low"] < choice_world.ALPHA < price["high"]
    assert isinstance(fitted.scorer, ChoiceScorer)
    demand = restored(fitted.scorer, fitted.report, fitted.state)
    assert demand is not None
    row = counterfactuals(demand)["markets"][0]["rows"][0]
    loss = row["fixed"]["surplus"]
    assert loss["low"] < loss["value"] < loss["high"] < 0
