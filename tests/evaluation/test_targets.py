"""Target policies: tables by position, what the log never shows, and the chances of a Thompson ranking."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta as beta_law

from recsys.errors import DataError
from recsys.evaluation.exposures import of_arrays
from recsys.evaluation.targets import Target, seen_at, thompson_slate


def test_rows_and_logged_arms_follow_the_position() -> None:
    log = of_arrays([2, 0, 1], [0.5] * 3, [0.0] * 3, position=[2, 1, 2], arms=range(3))
    target = Target(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]))
    assert target.logged(log).tolist() == [0.6, 0.7, 0.3]
    assert target.rows(log).tolist() == [[0.1, 0.3, 0.6], [0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]
    assert Target.uniform(4).rows(log).shape == (3, 4)


def test_a_position_the_policy_does_not_know() -> None:
    log = of_arrays([0, 0], [0.5] * 2, [0.0] * 2, position=[1, 3], arms=range(2))
    with pytest.raises(DataError, match="position 3"):
        Target(np.array([[1.0, 0.0], [0.5, 0.5]])).logged(log)


def test_unseen_share_weighs_positions_by_traffic() -> None:
    log = of_arrays([0, 1, 0, 0], [0.5] * 4, [0.0] * 4, position=[1, 1, 1, 2], arms=range(3))
    seen = seen_at(log, 2)
    assert seen.tolist() == [[True, True, False], [True, False, False]]
    target = Target(np.array([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0]]))
    assert target.unseen(seen, np.array([3.0, 1.0])) == pytest.approx((0.2 * 3 + 0.4) / 4)


def test_thompson_ranking_equals_the_integral() -> None:
    """With two arms P(first) is an integral over one beta density."""
    target = thompson_slate(np.array([3.0, 5.0]), np.array([7.0, 8.0]), 2, seed=1)
    grid = (np.arange(20_000) + 0.5) / 20_000
    first = float((beta_law.pdf(grid, 3, 7) * beta_law.cdf(grid, 5, 8)).mean())
    assert target.table[0, 0] == pytest.approx(first, abs=4 * 0.5 / np.sqrt(100_000))
    assert target.table[1, 0] == pytest.approx(1 - target.table[0, 0])
