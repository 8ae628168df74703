"""Peeking every day for four weeks: the fixed interval lies, the sequence holds, and still finds what is there."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.contract import F64
from recsys.evaluation.sequential import confidence_sequence

DAILY, DAYS, RUNS = 500, 28, 4000


def looks(lift: float) -> tuple[F64, F64, F64]:
    """Differences and standard errors [runs, days] of two arms at 30 % conversion, and visitors in all [days]."""
    rng = np.random.default_rng(0)
    n = DAILY * np.arange(1.0, DAYS + 1)
    rates = [rng.binomial(DAILY, 0.3 * (1 + x), (RUNS, DAYS)).cumsum(axis=1) / n for x in (0.0, lift)]
    return rates[1] - rates[0], np.sqrt(sum(r * (1 - r) for r in rates) / n), 2 * n


def test_no_effect() -> None:
    difference, se, n = looks(0.0)
    fixed = np.abs(difference) > 1.96 * se
    found = confidence_sequence(difference, se, n, tuned_for=2 * DAILY * 7)
    wrong = (found.low > 0) | (found.high < 0)
    assert 0.04 <= fixed[:, -1].mean() <= 0.06  # one look at the end
    assert fixed.any(axis=1).mean() == pytest.approx(0.283, abs=0.02)  # 28 looks
    assert wrong.any(axis=1).mean() <= 0.05


def test_an_effect_of_a_tenth_is_found_early() -> None:
    difference, se, n = looks(0.1)
    found = confidence_sequence(difference, se, n, tuned_for=2 * DAILY * 7)
    sure = found.low > 0
    assert sure.any(axis=1).mean() > 0.98
    assert sure[sure.any(axis=1)].argmax(axis=1).mean() + 1 == pytest.approx(9.8, abs=1.0)


def test_p_and_interval_say_the_same() -> None:
    difference, se, n = looks(0.05)
    found = confidence_sequence(difference, se, n, tuned_for=5000.0, level=0.9)
    assert np.array_equal(found.p < 0.1, (found.low > 0) | (found.high < 0))


def test_no_spread_is_no_evidence() -> None:
    found = confidence_sequence(np.array([0.0]), np.array([0.0]), np.array([10.0]), 100.0)
    assert found.p.tolist() == [1.0]
