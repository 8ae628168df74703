from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys.contract import Run
from recsys.errors import FitError
from recsys.models.ease import Ease, default_regularisation, solve
from tests import worlds


def test_weights_equal_the_closed_form_to_1e_6() -> None:
    data, _ = worlds.planted(u=70, m=31, per_customer=5)
    x = data.events.seen(31)
    inverse = np.linalg.inv((x.T @ x).toarray().astype(np.float64) + 12.5 * np.eye(31))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(solve(x, 12.5), expected, atol=1e-6)


def test_each_column_is_the_ridge_regression_without_itself() -> None:
    """Column j of EASE minimises |x_j - X b|^2 + l |b|^2 with b_j = 0: solve that directly for one product."""
    data, _ = worlds.planted(u=50, m=9, per_customer=4)
    x = data.events.seen(9).toarray().astype(np.float64)
    j, others = 4, [0, 1, 2, 3, 5, 6, 7, 8]
    left = x[:, others].T @ x[:, others] + 2.0 * np.eye(8)
    direct = np.linalg.solve(left, x[:, others].T @ x[:, j])
    np.testing.assert_allclose(solve(data.events.seen(9), 2.0)[others, j], direct, atol=1e-6)


def test_a_catalogue_it_cannot_hold_is_refused_before_the_fit() -> None:
    data = worlds.dataset([[0, 1]], 300)
    with pytest.raises(FitError, match=r"300 x 300 products, about 2 MB; wanted at most memory_mb = 1"):
        Ease(memory_mb=1).fit(data, Run())
    assert Ease(memory_mb=3).fit(data, Run()).report["n_iterations"] == 1


def test_the_default_follows_the_purchases_per_product() -> None:
    small, large = worlds.dataset([[0, 1], [1]], 3), worlds.dataset([[0, 1, 2]] * 50, 3)
    assert default_regularisation(large.events.seen(3)) > default_regularisation(small.events.seen(3))
    assert default_regularisation(large.events.seen(3)) == 4 * 50
    report = Ease(half_life_days=None).fit(large, Run()).report
    assert report["regularisation"] == 4 * 50


def test_recent_purchases_can_count_more() -> None:
    data = worlds.dataset([[0, 1], [0, 2]] * 5, 3, days_ago=[[1, 1], [300, 300]] * 5)
    queries = worlds.queries(data, [-1], history=[[0]])
    scores = Ease(half_life_days=30.0, regularisation=1.0).fit(data, Run()).scorer.score(queries)[0]
    assert scores[1] > scores[2]
    flat = Ease(half_life_days=None, regularisation=1.0).fit(data, Run()).scorer.score(queries)[0]
    assert flat[1] == pytest.approx(flat[2])


def test_nothing_bought_is_a_fit_error() -> None:
    data = dataclasses.replace(worlds.dataset([[], []], 3))
    with pytest.raises(FitError, match="no purchases"):
        Ease().fit(data, Run())
