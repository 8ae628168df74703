"""The statistics of a test: against a second library, against statsmodels, and under A/A and planted effects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from recsys.errors import DataError
from recsys.evaluation.abtest import (
    SRM_ALPHA,
    adjust,
    compare,
    compare_conversion,
    mean,
    ratio,
    sample_ratio_p,
    winsorise,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "abtest.json").read_text())
ARM = np.array(GOLDEN["arm"], dtype=np.int32)


def column(name: str) -> np.ndarray:
    return np.array(GOLDEN[name], dtype=np.float64)


@pytest.mark.parametrize("name", ["rev", "ratio"])
def test_equal_to_tea_tasting(name: str) -> None:
    wanted, (a, b) = GOLDEN["results"][name], (ARM == 0, ARM == 1)
    if name == "rev":
        found = compare(mean(column("revenue")[a]), mean(column("revenue")[b]))
    else:
        items, orders = column("items"), column("orders")
        found = compare(ratio(items[a], orders[a]), ratio(items[b], orders[b]))
    assert found.value == pytest.approx(wanted["effect_size"], rel=1e-9)
    assert found.low == pytest.approx(wanted["effect_size_ci_lower"], rel=1e-6)
    assert found.high == pytest.approx(wanted["effect_size_ci_upper"], rel=1e-6)
    assert found.p == pytest.approx(wanted["pvalue"], rel=1e-6)
    assert found.lift == pytest.approx(wanted["rel_effect_size"], rel=1e-9)


def test_cuped_is_close_to_tea_tasting() -> None:
    """It takes theta over both arms together, we within arms: equal up to the difference between the arms."""
    wanted = GOLDEN["results"]["cuped"]
    values, _ = adjust(column("revenue"), column("before"), ARM)
    found = compare(mean(values[ARM == 0]), mean(values[ARM == 1]))
    assert found.value == pytest.approx(wanted["effect_size"], rel=0.01)
    assert found.p == pytest.approx(wanted["pvalue"], rel=0.02)


def test_sample_ratio_equals_tea_tasting() -> None:
    wanted = GOLDEN["results"]["srm"]
    counts = [int(wanted["control"]), int(wanted["treatment"])]
    assert counts == np.bincount(ARM).tolist()
    assert sample_ratio_p(counts, [0.5, 0.5]) == pytest.approx(wanted["pvalue"], abs=0.01)  # theirs is binomial


def test_means_equal_statsmodels() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.gamma(1, 3, 37), rng.gamma(1, 4, 61)
    peer = CompareMeans(DescrStatsW(b), DescrStatsW(a))
    found = compare(mean(a), mean(b), level=0.9)
    assert (found.low, found.high) == pytest.approx(peer.tconfint_diff(alpha=0.1, usevar="unequal"))
    assert found.p == pytest.approx(peer.ttest_ind(usevar="unequal")[1])


def test_ratio_by_hand() -> None:
    top, bottom = np.array([2.0, 0.0, 3.0, 1.0]), np.array([1.0, 0.0, 2.0, 1.0])
    found = ratio(top, bottom)
    assert found.value == 1.5
    spread = np.var([0.5, 0.0, 0.0, -0.5], ddof=1)
    assert found.variance == pytest.approx(spread / 4 / 1.0**2)


def test_the_delta_method_is_right_about_ratios() -> None:
    """Visitors differ in how often they order, so orders are not independent and only visitors are drawn."""
    rng, n = np.random.default_rng(2), 400
    values, variances = [], []
    for _ in range(2000):
        orders = rng.poisson(rng.gamma(0.7, 1.5, n))
        items = orders + rng.poisson(orders * rng.gamma(2, 0.2, n))
        found = ratio(items.astype(float), orders.astype(float))
        values.append(found.value)
        variances.append(found.variance)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.08)


@pytest.mark.parametrize("kind", ["conversion", "mean"])
def test_no_effect_is_found_in_five_of_a_hundred(kind: str) -> None:
    """4,000 A/A tests read once, at the planned end."""
    rng, runs, n = np.random.default_rng(3), 4000, 500
    p = []
    for _ in range(runs):
        if kind == "conversion":
            p.append(compare_conversion((rng.binomial(n, 0.1), n), (rng.binomial(n, 0.1), n)).p)
        else:
            p.append(compare(mean(rng.exponential(3, n)), mean(rng.exponential(3, n))).p)
    assert 0.04 <= np.mean(np.array(p) < 0.05) <= 0.06


def test_conversion_intervals_cover() -> None:
    rng, hits = np.random.default_rng(4), []
    for _ in range(1000):
        found = compare_conversion((rng.binomial(300, 0.02), 300), (rng.binomial(200, 0.05), 200))
        hits.append(found.low <= 0.03 <= found.high)
    assert 0.93 <= np.mean(hits) <= 0.985


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_cuped_removes_rho_squared_and_no_effect(rho: float) -> None:
    rng, n = np.random.default_rng(5), 40_000
    before = rng.normal(size=n)
    arm = rng.integers(0, 2, n).astype(np.int32)
    values = 10 + rho * before + np.sqrt(1 - rho**2) * rng.normal(size=n) + 0.1 * arm
    adjusted, explained = adjust(values, before, arm)
    cut = 1 - adjusted[arm == 0].var() / values[arm == 0].var()
    assert cut == pytest.approx(rho**2, abs=0.02)
    assert explained == pytest.approx(rho**2, abs=0.02)
    assert adjusted[arm == 1].mean() - adjusted[arm == 0].mean() == pytest.approx(0.1, abs=0.03)


def test_cuped_of_a_constant_past_changes_nothing() -> None:
    values = np.array([1.0, 2.0, 5.0])
    assert adjust(values, np.ones(3), np.zeros(3, dtype=np.int32)) == (pytest.approx(values), 0.0)


def test_cuped_keeps_type_one_error() -> None:
    rng, p = np.random.default_rng(6), []
    for _ in range(2000):
        before, arm = rng.gamma(1, 5, 400), rng.integers(0, 2, 400).astype(np.int32)
        values, _ = adjust(before * rng.gamma(2, 0.5, 400), before, arm)
        p.append(compare(mean(values[arm == 0]), mean(values[arm == 1])).p)
    assert 0.04 <= np.mean(np.array(p) < 0.05) <= 0.06


def test_winsorising_caps_the_tail_of_buyers_only() -> None:
    values = np.concatenate([np.zeros(900), np.arange(1.0, 101.0)])
    capped, cap = winsorise(values, 0.95)
    assert cap == pytest.approx(95.05)
    assert capped.max() == cap
    assert (capped[values <= 95] == values[values <= 95]).all()
    assert winsorise(np.zeros(5))[1] == 0.0


def test_a_skewed_split_is_noticed_and_a_fair_one_is_not() -> None:
    rng = np.random.default_rng(7)
    fair, skewed = rng.binomial(100_000, 0.5, 3000), rng.binomial(100_000, 0.49, 1000)
    alarms = [sample_ratio_p([a, 100_000 - a], [0.5, 0.5]) < SRM_ALPHA for a in fair]
    caught = [sample_ratio_p([a, 100_000 - a], [0.5, 0.5]) < SRM_ALPHA for a in skewed]
    assert np.mean(alarms) < 0.003
    assert np.mean(caught) > 0.99


def test_uneven_shares_are_what_was_planned() -> None:
    assert sample_ratio_p([900, 100], [0.9, 0.1]) == 1.0
    assert sample_ratio_p([900, 100], [0.5, 0.5]) < 1e-10
    with pytest.raises(DataError, match="share is 0"):
        sample_ratio_p([5, 5], [1.0, 0.0])


def test_nothing_to_tell_apart() -> None:
    same = compare(mean(np.ones(5)), mean(np.ones(9)))
    assert (same.value, same.p) == (0.0, 1.0)
    assert np.isnan(ratio(np.zeros(4), np.zeros(4)).value)
    assert compare(mean(np.zeros(5)), mean(np.array([0.0, 1.0]))).lift is None
