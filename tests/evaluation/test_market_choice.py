import numpy as np
import pytest

from recsys.evaluation.market_choice import calibration_error, fit_temperature, from_scores, judge

MARKET = np.array([0, 0, 0, 1, 1], dtype=np.int32)
UNITS = np.array([6.0, 3.0, 1.0, 2.0, 8.0])


def test_likelihood_top_and_gain_by_hand() -> None:
    p = np.array([0.1, 0.3, 0.1, 0.2, 0.2])
    found = judge(p, UNITS, MARKET)
    given = np.array([0.2, 0.6, 0.2, 0.5, 0.5])
    assert found.likelihood.per_unit == pytest.approx((UNITS @ np.log(given)) / 20)
    assert found.top_1.tolist() == [0.0, 0.0]  # ties go to the first row
    d = 1 / np.log2([2, 3, 4])
    assert found.ndcg_at_3[0] == pytest.approx(np.dot([0.3, 0.6, 0.1], d) / np.dot([0.6, 0.3, 0.1], d))
    assert found.summary()["top_1"] == 0


def test_the_truth_has_the_highest_likelihood_and_no_calibration_error() -> None:
    truth = judge(UNITS, UNITS, MARKET)
    assert truth.top_1.mean() == truth.ndcg_at_3.mean() == 1
    assert truth.ece == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert judge(rng.uniform(0.1, 1, 5), UNITS, MARKET).likelihood.per_unit < truth.likelihood.per_unit
    gain, se = truth.likelihood.gain_over(judge(np.ones(5), UNITS, MARKET).likelihood)
    assert gain > 0
    assert se > 0


def test_temperature_is_found_on_validation() -> None:
    rng = np.random.default_rng(1)
    market = np.repeat(np.arange(200), 6).astype(np.int32)
    utility = rng.normal(size=1200)
    shares = from_scores(utility, market, 1.0)
    units = rng.poisson(400 * shares).astype(float)
    assert fit_temperature(utility * 25, units, market) == pytest.approx(25, rel=0.05)


def test_scores_that_are_no_numbers_get_nothing() -> None:
    p = from_scores(np.array([1.0, np.nan, 1.0, np.nan, np.nan]), MARKET, 1.0)
    np.testing.assert_allclose(p, [0.5, 0, 0.5, 0, 0])


def test_overconfidence_is_a_calibration_error() -> None:
    p, share = np.array([0.9, 0.1]), np.array([0.6, 0.4])
    assert calibration_error(p, share, np.ones(2)) == pytest.approx(0.3)
