"""The choice families as contenders: the contract every family keeps, on a shop that chooses by BLP."""

import dataclasses
import json
import time

import numpy as np
import pytest

from recsys.contract import Dataset, Fitted, Run, settings_of
from recsys.data.markets import period_name
from recsys.data.split import ask
from recsys.errors import FitError, RefusedError
from recsys.models import catalog
from recsys.scorers.store import load_scorer, scorer_bytes
from tests import worlds
from tests.models import choice_world

SETTINGS = {
    "logit": {"instruments": ["cost"], "draws": 5},
    "nested_logit": {"instruments": ["cost", "nest_rival_cost"]},
    "blp": {"instruments": ["cost", "nest_rival_cost"], "random": "category:cup", "optimal_instruments": False},
}
every = pytest.mark.parametrize("family", sorted(SETTINGS))
_fits: dict[str, Fitted] = {}


def fitted(family: str) -> Fitted:
    if family not in _fits:
        _fits[family] = catalog.build(family, SETTINGS[family]).fit(choice_world.data(), Run(seed=3))
    return _fits[family]


def queries(data: Dataset, rows: list[int]):
    customer = np.array(rows)
    known = customer >= 0
    ids = np.where(known, data.space.customers.ids[np.maximum(customer, 0)], "nobody")
    return ask(data, ids, np.zeros(len(rows), dtype=np.int32))


def test_the_world_has_markets_offers_and_events_in_them() -> None:
    data = choice_world.data()
    assert len(data.space.markets) == 52
    assert data.offers is not None
    assert len(data.offers.market) == 52 * 12
    owner = np.repeat(np.arange(len(data.events)), np.diff(data.events.start))
    names = data.space.markets.ids[data.events.market]
    lives = data.space.segments.ids[data.customer_segment[owner]]
    assert all(str(m).startswith(str(s)) for m, s in zip(names, lives, strict=True))
    week = [str(m).rpartition("@")[2] for m in names]
    assert week == [period_name(int(t) // 86_400, "week") for t in data.events.time]


@every
def test_a_fit_keeps_the_contract(family: str) -> None:
    data, found = choice_world.data(), fitted(family)
    asked = queries(data, [4, 0, 9])
    scores = found.scorer.score(asked)
    assert scores.shape == (3, 12)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert ((scores > 0) & (scores < 1)).all()
    assert (scores.sum(axis=1) < 1).all()
    some = np.array([7, 1, 5], dtype=np.int32)
    np.testing.assert_array_equal(found.scorer.score(asked, some), scores[:, some])
    for row in range(3):
        np.testing.assert_allclose(found.scorer.score(asked.take(slice(row, row + 1)))[0], scores[row], rtol=1e-5)
    json.dumps(found.report, allow_nan=False)
    assert found.report["eligible"]
    again = load_scorer(scorer_bytes(found.scorer))
    np.testing.assert_array_equal(again.score(asked), scores)


@every
def test_same_data_same_digest(family: str) -> None:
    if family == "blp":
        pytest.skip("a BLP fit takes seconds; its search is deterministic in test_blp")
    again = catalog.build(family, SETTINGS[family]).fit(choice_world.data(), Run(seed=3))
    assert scorer_bytes(again.scorer) == scorer_bytes(fitted(family).scorer)


@every
def test_somebody_unknown_gets_the_markets_shares(family: str) -> None:
    data, scorer = choice_world.data(), fitted(family).scorer
    cold = scorer.score(queries(data, [-1, -1]))
    np.testing.assert_array_equal(cold[0], cold[1])
    assert np.isfinite(cold).all()


def test_own_purchases_move_the_list_under_blp_only() -> None:
    data = choice_world.data()
    asked = queries(data, [0, 1, 2, 3])
    np.testing.assert_allclose(np.ptp(fitted("logit").scorer.score(asked), axis=0), 0, atol=1e-9)
    scorer = dataclasses.replace(fitted("blp").scorer, history_weight=1.0)
    assert np.ptp(scorer.score(asked), axis=0).max() > 1e-3


def test_the_price_coefficient_is_near_the_truth_with_instruments_and_not_without() -> None:
    estimates = {e["name"]: e["value"] for e in fitted("logit").report["estimates"]}
    naive = catalog.build("logit", {"method": "ols"}).fit(choice_world.data(), Run(seed=3)).report["estimates"][0]
    assert estimates["prices"] == pytest.approx(choice_world.ALPHA, abs=0.12)
    assert naive["value"] > estimates["prices"] + 0.05


@every
def test_without_offers_the_cure_is_named(family: str) -> None:
    with pytest.raises(FitError, match="no offers"):
        catalog.build(family, SETTINGS[family]).fit(worlds.dataset([[0, 1], [2]], 5), Run())


def test_a_refused_fit_says_the_gate_in_words() -> None:
    data = choice_world.data()
    assert data.offers is not None
    flipped = dataclasses.replace(data.offers, price=20 - data.offers.price, instruments=None, instrument_names=())
    with pytest.raises(RefusedError, match="would sell more at a higher price") as caught:
        catalog.build("logit", {"draws": 0}).fit(dataclasses.replace(data, offers=flipped), Run())
    assert not caught.value.report["eligible"]


def test_blp_minds_the_deadline() -> None:
    with pytest.raises(FitError, match="deadline"):
        catalog.build("blp", SETTINGS["blp"]).fit(choice_world.data(), Run(deadline=time.monotonic()))


def test_blp_starts_warm_where_it_ended() -> None:
    first = fitted("blp")
    again = catalog.build("blp", SETTINGS["blp"]).fit(choice_world.data(), Run(start=first.state))
    assert again.report["evaluations"] <= first.report["evaluations"] / 4
    value = {e["name"]: e["value"] for e in first.report["estimates"]}
    for estimate in again.report["estimates"]:
        assert estimate["value"] == pytest.approx(value[estimate["name"]], rel=1e-3)


@every
def test_settings_round_trip(family: str) -> None:
    estimator = catalog.build(family, SETTINGS[family])
    assert catalog.build(family, settings_of(estimator)) == estimator
