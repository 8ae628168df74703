from dataclasses import replace

import numpy as np
import pytest

from recsys.assortment.instance import Model, shares
from recsys.config import Settings
from recsys.contest.offered import choice_feed, markets, next_market
from recsys.contract import Run
from recsys.models.logit import Logit
from recsys.scorers.choice import ChoiceScorer
from tests import worlds
from tests.models import choice_world


def settings(size: int) -> Settings:
    return Settings.model_validate({"publishing": {"assortment": size}})


def test_a_segment_with_too_few_orders_is_left_out_with_the_reason() -> None:
    data = worlds.dataset([[0, 1, 2]] * 31 + [[3]] * 4, 5, segment=[0] * 31 + [1] * 4)
    data = replace(data, catalogue=replace(data.catalogue, available=np.array([1, 0, 1, 1, 1], dtype=bool)))
    found, skipped = markets(data, settings(1))
    assert [(m.name, m.orders) for m in found] == [("seg000", 31)]
    assert found[0].traits.ids == ("p000", "p002", "p003", "p004")
    assert found[0].current.tolist() == [True, False, False, False]
    assert skipped[0]["segment"] == "seg001"
    assert "4 orders in the last 90 days, fewer than the 30" in skipped[0]["reason"]


@pytest.fixture(scope="module")
def scorer() -> ChoiceScorer:
    found = Logit(draws=0, instruments=("cost",)).fit(choice_world.data(), Run()).scorer
    assert isinstance(found, ChoiceScorer)
    return found


def test_a_choice_scorer_gives_its_probabilities_in_the_next_market(scorer: ChoiceScorer) -> None:
    data = choice_world.data()
    market = next(m for m in markets(data, settings(4))[0] if m.name == "south")
    known, choice = next_market(scorer, market)
    assert len(known) == choice_world.PRODUCTS
    latest = scorer.market(max(np.flatnonzero([str(m).startswith("south@") for m in scorer.space.markets.ids])))
    assert choice.price == pytest.approx(latest.price)
    instance = choice_feed(scorer, "logit")(market)
    assert instance.model is Model.MNL
    assert instance.source == "choice probabilities of logit"
    everything = shares(instance, np.ones(instance.n, dtype=bool))
    assert everything == pytest.approx(choice.shares(), rel=1e-9)


def test_products_of_a_composite_share_its_probability(scorer: ChoiceScorer) -> None:
    """Two products made one alternative: together they are as strong as it, in parts of 3 to 1."""
    data = choice_world.data()
    of, within = scorer.offers.composite_of.copy(), np.ones(choice_world.PRODUCTS)
    of[1], within[0], within[1] = of[0], 0.75, 0.25
    pooled = replace(scorer, offers=replace(scorer.offers, composite_of=of, within=within))
    market = next(m for m in markets(data, settings(4))[0] if m.name == "north")
    _, choice = next_market(pooled, market)
    strength = np.exp(choice.utility[0])
    alone = np.exp(next_market(scorer, market)[1].utility[0, 0])
    assert strength[0] + strength[1] == pytest.approx(alone)
    assert strength[0] / strength[1] == pytest.approx(3)
