"""Regret with known truth: the figures of the design, drift, delay, and the marketplace's own arms."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.contract import F64
from recsys.data.marketplace import PRESETS
from recsys.data.simulate import simulate as simulate_market
from recsys.data.trading import click_probability, policy
from recsys.errors import ConfigError
from recsys.evaluation.bandit import BetaThompson, EpsilonGreedy, EqualSplit
from recsys.evaluation.regret import World, simulate


def nine_arms(lift: float = 0.1) -> F64:
    rates = np.full((28, 9), 0.03)
    rates[:, 4] *= 1 + lift
    return rates


def test_equal_split_loses_what_arithmetic_says() -> None:
    found = simulate(EqualSplit(), World(nine_arms(), 20_000), runs=3, seed=0)
    assert found.lost[:, -1] == pytest.approx(28 * 20_000 * 0.003 * 8 / 9)
    assert found.curve()[0].mean == pytest.approx(20_000 * 0.003 * 8 / 9)


def test_thompson_with_a_floor_loses_at_most_three_fifths_and_finds_the_best() -> None:
    world = World(nine_arms(), 20_000)
    found = simulate(BetaThompson(floor=0.2, draws=500), world, runs=60, seed=1)
    last = found.curve()[-1]
    assert last.low < last.mean < last.high <= 0.6 * 1493
    assert found.found >= 0.95
    assert found.shares.shape == (28, 9)
    assert found.shares[-1].argmax() == 4
    assert found.shares.min() >= 0.2 / 9 - 1e-9


def test_little_traffic_finds_less() -> None:
    found = simulate(BetaThompson(floor=0.2, draws=500), World(nine_arms(), 2000), runs=60, seed=2)
    assert found.found < 0.9
    assert found.curve()[-1].mean < 28 * 2000 * 0.003 * 8 / 9


def test_decay_follows_a_drift() -> None:
    rates = np.full((40, 3), 0.05)
    rates[:20, 0], rates[20:, 2] = 0.07, 0.07
    world = World(rates, 3000)
    fading, keeping = (simulate(BetaThompson(floor=0.1, draws=500), world, 20, 3, keep).lost for keep in (0.8, 1.0))
    assert fading[:, -1].mean() < 0.8 * keeping[:, -1].mean()


def test_delay_costs_and_does_not_bias() -> None:
    prompt, late = (World(nine_arms(0.3), 5000, delay=d) for d in (0, 5))
    quick, slow = (simulate(BetaThompson(floor=0.1, draws=500), w, 20, 4) for w in (prompt, late))
    assert slow.lost[:, 4] == pytest.approx(5 * 5000 * 0.009 * 8 / 9, rel=0.02)  # nothing is known before day 5
    assert quick.lost[:, -1].mean() < slow.lost[:, -1].mean()
    assert slow.found == 1.0


def test_greed_without_exploration_gets_stuck() -> None:
    world = World(nine_arms(0.3), 200)
    greedy, curious = (simulate(EpsilonGreedy(e), world, 60, 5).found for e in (0.0, 0.2))
    assert greedy < curious


def test_the_marketplace_arms() -> None:
    """True first-place click rates of the marketplace's arms, week by week: a bandit over whole contenders."""
    truth = simulate_market(PRESETS["small"]).truth
    people = np.arange(len(truth.rate), dtype=np.int32)
    weeks = [
        [
            (policy(truth, arm, w, people) * click_probability(truth, w, people)).sum(axis=1).mean()
            for arm in truth.logging.arms
        ]
        for w in range(len(truth.logging.shelf))
    ]
    rates = np.repeat(weeks, 7, axis=0) * truth.logging.examine[0]
    world = World(rates, 2000)
    assert truth.logging.arms[int(rates.mean(axis=0).argmax())] == "personal"
    learnt, equal = (simulate(p, world, 20, 6) for p in (BetaThompson(floor=0.2, draws=500), EqualSplit()))
    assert learnt.found >= 0.95
    assert learnt.curve()[-1].high < 0.6 * equal.curve()[-1].mean


def test_impossible_rates() -> None:
    with pytest.raises(ConfigError, match="rates"):
        World(np.array([[0.5, 1.5]]), 10)
