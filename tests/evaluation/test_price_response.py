import numpy as np
import pytest

from recsys.evaluation.price_response import price_changes, price_response


def test_sign_size_and_slope_by_hand() -> None:
    true = np.array([-0.2, 0.1, -0.4, np.nan, 0.0])
    found = price_response(np.array([-0.1, 0.1, 0.4, 1.0, 1.0]), true)
    assert found.events == 3
    assert found.sign_right == pytest.approx(2 / 3)
    assert found.size == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.slope == pytest.approx((0.02 + 0.01 - 0.16) / 0.21)
    assert not found.passed


def test_within_a_fifth_passes_and_half_does_not() -> None:
    true = np.linspace(-0.5, -0.1, 30)
    assert price_response(0.85 * true, true).passed
    assert not price_response(0.5 * true, true).passed
    assert price_response(np.empty(0), np.empty(0)).events == 0


def test_price_changes_are_between_neighbouring_periods() -> None:
    price = np.array([10.0, 12.0, 12.5, 9.0, 5.0, 6.0])
    alternative = np.array([0, 0, 0, 0, 1, 1], dtype=np.int32)
    segment = np.array([0, 0, 0, 0, 0, 1], dtype=np.int32)
    period = np.array([0, 1, 2, 4, 0, 1], dtype=np.int32)
    judged = np.ones(6, dtype=bool)
    found = price_changes(price, alternative, segment, period, judged)
    assert found.before.tolist() == [0]
    assert found.after.tolist() == [1]
    assert len(price_changes(price, alternative, segment, period, ~judged).after) == 0
    assert price_changes(price, alternative, segment, period, judged, least=0.01).after.tolist() == [1, 2]
