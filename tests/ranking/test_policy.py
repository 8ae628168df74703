"""Chances: hand-worked softmax and epsilon-greedy, floors that hold, slates whose propensities are those drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from recsys.errors import ConfigError, EmptyError
from recsys.ranking.policy import draw_slates, epsilon_greedy, slate_propensity, softmax

SCORES = np.array([[np.log(1), np.log(2), np.log(5), np.nan], [0, 0, 0, 0]], dtype=np.float32)


def test_softmax_by_hand() -> None:
    assert softmax(SCORES)[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8, 0])
    assert softmax(SCORES, temperature=0.5)[0] == pytest.approx([1 / 30, 4 / 30, 25 / 30, 0])
    assert softmax(SCORES, floor=0.2)[0] == pytest.approx([0.15, 0.25, 0.55, 0.05])  # NaN is shown by the floor only
    allowed = np.array([True, True, False, False])
    assert softmax(SCORES, allowed=allowed)[0] == pytest.approx([1 / 3, 2 / 3, 0, 0])
    assert softmax(SCORES)[1] == pytest.approx([0.25] * 4)


def test_softmax_of_huge_scores_and_of_no_opinion() -> None:
    scores = np.array([[1e30, 0.0, -1e30], [np.nan, np.nan, np.nan]], dtype=np.float32)
    assert softmax(scores).tolist() == [[1, 0, 0], [pytest.approx(1 / 3)] * 3]


def test_epsilon_greedy_shares_ties() -> None:
    scores = np.array([[3, 1, 3, np.nan], [0, 9, 2, 1]], dtype=np.float32)
    assert epsilon_greedy(scores, 0.2)[0] == pytest.approx([0.45, 0.05, 0.45, 0.05])
    assert epsilon_greedy(scores, 0.0)[1] == pytest.approx([0, 1, 0, 0])
    assert epsilon_greedy(scores, 1.0, np.array([True, True, False, True]))[1] == pytest.approx(
        [1 / 3, 1 / 3, 0, 1 / 3]
    )


def test_slates_follow_plackett_luce() -> None:
    chances = np.array([0.5, 0.3, 0.2])
    drawn = draw_slates(np.tile(chances, (60_000, 1)), 2, seed=1)
    for first, second in itertools.permutations(range(3), 2):
        rows = (drawn.products[:, 0] == first) & (drawn.products[:, 1] == second)
        given = chances[second] / (1 - chances[first])
        assert rows.mean() == pytest.approx(chances[first] * given, abs=0.01)
        assert drawn.propensity[rows].mean(axis=0, dtype=np.float64) == pytest.approx([chances[first], given], abs=1e-6)


def test_slate_floors_hold_at_every_place() -> None:
    drawn = draw_slates(np.tile([0.97, 0.01, 0.01, 0.01], (500, 1)), 3, seed=2, floor=0.2)
    left = np.array([4, 3, 2])
    assert (drawn.propensity >= 0.2 / left - 1e-6).all()
    again = slate_propensity(np.tile([0.97, 0.01, 0.01, 0.01], (500, 1)), drawn.products, floor=0.2)
    assert np.allclose(again, drawn.propensity)


def test_weights_of_another_slate_policy_average_to_one() -> None:
    rng = np.random.default_rng(3)
    logging, wanted = (softmax(rng.normal(size=(1, 5)).astype(np.float32), floor=0.3) for _ in range(2))
    drawn = draw_slates(np.repeat(logging, 20_000, axis=0), 3, seed=4)
    weight = (slate_propensity(np.repeat(wanted, 20_000, axis=0), drawn.products) / drawn.propensity).prod(axis=1)
    assert abs(weight.mean() - 1) < 3 * weight.std() / np.sqrt(20_000)
    assert weight.std() / np.sqrt(20_000) < 0.05


def test_more_places_than_products_stay_empty() -> None:
    drawn = draw_slates(np.array([[0.5, 0.5, 0.0]]), 5, seed=5)
    assert sorted(drawn.products[0, :2].tolist()) == [0, 1]
    assert drawn.products[0, 2:].tolist() == [-1, -1, -1]
    assert drawn.propensity[0].tolist() == [0.5, 1, 0, 0, 0]


def test_same_seed_same_slates() -> None:
    chances = softmax(np.random.default_rng(6).normal(size=(7, 9)).astype(np.float32))
    one, two, other = (draw_slates(chances, 4, seed).products for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        softmax(SCORES, temperature=0)
    with pytest.raises(ConfigError, match="floor"):
        softmax(SCORES, floor=1.2)
    with pytest.raises(EmptyError):
        softmax(SCORES, allowed=np.zeros(4, dtype=bool))
