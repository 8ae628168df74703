"""Intervals cover what they promise; p values, Holm and power agree with statsmodels and with simulation."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.evaluation import significance as sig


def test_interval_of_a_mean_is_near_the_normal_one() -> None:
    rng = np.random.default_rng(3)
    for values in (rng.normal(2, 1, 1500), (rng.random(1500) < 0.2) * 1.0):  # resampled by row, and by distinct value
        got = sig.customer_interval(values, draws=2000)
        half = 1.96 * values.std() / np.sqrt(1500)
        assert got.mean == values.mean()
        assert got.n == 1500
        assert got.low == pytest.approx(values.mean() - half, abs=half * 0.1)
        assert got.high == pytest.approx(values.mean() + half, abs=half * 0.1)


def test_intervals_cover_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(11)
    inside = 0
    for seed in range(400):
        got = sig.customer_interval((rng.random(300) < 0.3) * 1.0, level=0.9, draws=400, seed=seed)
        inside += got.low <= 0.3 <= got.high
    assert 0.85 <= inside / 400 <= 0.95


def test_not_available_is_left_out() -> None:
    values = np.array([np.nan, 1.0, 3.0, np.nan])
    assert sig.customer_interval(values) == sig.customer_interval(np.array([1.0, 3.0]))
    nothing = sig.customer_interval(np.full(3, np.nan))
    assert nothing.n == 0
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all()


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=500)
    assert sig.customer_interval(values, seed=5) == sig.customer_interval(values, seed=5)
    assert sig.customer_interval(values, seed=5) != sig.customer_interval(values, seed=6)


@pytest.mark.parametrize("zeros", [0.0, 0.7, 1.0])
def test_drawing_common_values_together_keeps_the_spread(zeros: float) -> None:
    rng = np.random.default_rng(8)
    n = 900
    sums = np.where(rng.random(n) < zeros, 1.0 * (rng.random(n) < 0.3), rng.gamma(2, size=n))
    sizes = 1.0 + rng.integers(3, size=n)
    even = sig._resample(sums, np.full(n, 2.0), draws=6000, seed=1)
    assert even.mean() == pytest.approx(sums.mean() / 2, rel=0.01)
    assert even.std() == pytest.approx(sums.std() / 2 / np.sqrt(n), rel=0.05)
    uneven = sig._resample(sums, sizes, draws=6000, seed=1)
    ratio = sums.sum() / sizes.sum()
    assert uneven.mean() == pytest.approx(ratio, rel=0.01)
    assert uneven.std() == pytest.approx((sums - ratio * sizes).std() / sizes.mean() / np.sqrt(n), rel=0.05)


def test_blocks_do_not_change_the_number_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sig, "BLOCK", 1000)
    assert len(sig._resample(np.arange(130.0), np.ones(130), draws=25, seed=0)) == 25


def test_clusters_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(200), 9)
    values = rng.normal(size=200)[cluster]  # nine copies of one number: 200 facts, not 1800
    apart, together = sig.customer_interval(values), sig.cluster_interval(values, cluster)
    assert together.mean == pytest.approx(apart.mean)
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(3, rel=0.15)
    assert together.n == 1800


def test_a_cluster_weighs_as_much_as_it_has_rows() -> None:
    values, cluster = np.array([0.0, 0, 0, 1]), np.array([7, 7, 7, 2])
    got = sig.cluster_interval(values, cluster, draws=4000, level=0.4)
    assert got.mean == 0.25
    assert (got.low, got.high) == (0.25, 0.25)  # both clusters once; a mean of cluster means would be .5


def test_paired_difference_uses_common_customers() -> None:
    a = np.array([1.0, 2.0, np.nan, 4.0, 9.0])
    b = np.array([0.5, np.nan, 3.0, 3.5, 8.5])
    got = sig.paired_difference(a, b)
    assert (got.mean, got.low, got.high, got.n) == (0.5, 0.5, 0.5, 3)
    assert got.p == pytest.approx(2 / 1001)
    with pytest.raises(ValueError, match="one per customer"):
        sig.paired_difference(a, b[:4])


def test_no_difference_has_p_one() -> None:
    values = np.random.default_rng(0).random(40)
    got = sig.paired_difference(values, values)
    assert (got.mean, got.low, got.high, got.p) == (0, 0, 0, 1)
    assert np.isnan(sig.paired_difference(np.array([np.nan]), np.array([1.0])).p)


def test_p_is_uniform_without_a_difference_and_small_with_one() -> None:
    rng = np.random.default_rng(4)
    p = np.array([sig.paired_difference(rng.normal(size=250), rng.normal(size=250), seed=i).p for i in range(300)])
    assert 0.02 <= (p < 0.05).mean() <= 0.09
    assert 0.4 <= (p < 0.5).mean() <= 0.6
    assert sig.paired_difference(rng.normal(0.5, 1, 400), rng.normal(size=400)).p < 0.01


def test_holm_equals_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.array([0.04, 0.001, 0.3, 0.012, 0.9, 0.04])
    np.testing.assert_allclose(sig.holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(sig.holm(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.06, 0.06])
    assert sig.holm(np.empty(0)).shape == (0,)


def test_power_equals_statsmodels_and_inverts() -> None:
    from statsmodels.stats.power import NormalIndPower

    got = sig.power(sd=2.0, n=400, effect=0.25)
    assert got == pytest.approx(NormalIndPower(ddof=0).power(0.125, 400, 0.05, ratio=0), abs=1e-9)
    effect = sig.detectable_effect(sd=2.0, n=400, alpha=0.01, power=0.9)
    assert sig.power(2.0, 400, effect, alpha=0.01) == pytest.approx(0.9, abs=1e-6)
    assert sig.power(2.0, 400, 0.0) == pytest.approx(0.05)


def test_power_without_customers_or_noise() -> None:
    assert np.isnan(sig.power(1.0, 0, 0.1))
    assert np.isnan(sig.detectable_effect(1.0, 0))
    assert (sig.power(0.0, 5, 0.1), sig.power(0.0, 5, 0.0)) == (1, 0)
