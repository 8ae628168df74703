from __future__ import annotations

import numpy as np
import pytest

from recsys.contract import Run, State
from recsys.errors import FitError
from recsys.models.als import Als, default_regularisation
from tests import worlds


def test_scores_equal_the_library_s_own_fold_in() -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    data, _ = worlds.planted(u=50, m=23, per_customer=6)
    x = data.events.seen(23)
    fitted = Als(dimension=5, regularisation=2.0, alpha=7.0, sweeps=6, half_life_days=None).fit(data, Run(seed=4))
    model = AlternatingLeastSquares(5, 2.0, 7.0, iterations=6, num_threads=1, random_state=4)
    model.fit(x, show_progress=False)
    np.testing.assert_array_equal(fitted.state["product_vectors"], model.item_factors)
    own = model.recalculate_user(np.arange(50), x) @ model.item_factors.T
    scores = fitted.scorer.score(worlds.queries(data))
    sold = np.unique(x.indices)
    np.testing.assert_allclose(scores[:, sold], own[:, sold], rtol=1e-4, atol=1e-5)


def test_a_product_nobody_bought_has_no_opinion() -> None:
    data = worlds.dataset([[0, 1], [1, 3]], 5)
    scores = Als(dimension=2).fit(data, Run()).scorer.score(worlds.queries(data))
    np.testing.assert_array_equal(np.isnan(scores), [[False, False, True, False, True]] * 2)


def test_the_default_regularisation_follows_the_size_and_density() -> None:
    """.05 alpha sqrt(purchases per customer x purchases per product): 2 x 1.2 here."""
    x = worlds.dataset([[0, 1], [1], [2, 3, 4]], 5).events.seen(5)
    assert default_regularisation(x, 8.0) == pytest.approx(0.4 * np.sqrt(6 / 3 * 6 / 5))


def test_memory_is_checked_before_the_fit() -> None:
    data = worlds.dataset([[0]] * 600, 700)
    with pytest.raises(FitError, match=r"600 \+ 700 vectors.*memory_mb = 1"):
        Als(memory_mb=1).fit(data, Run())


def test_a_warm_start_is_nearer_to_the_optimum_after_as_many_sweeps() -> None:
    from implicit.cpu.als import calculate_loss

    data, _ = worlds.planted()
    x = (8.0 * data.events.seen(40)).astype(np.float32)

    def loss(state: State) -> float:
        vectors = (state["customer_vectors"], state["product_vectors"])
        return float(calculate_loss(x, *vectors, 1.0, num_threads=1))

    contender = Als(dimension=6, regularisation=1.0, sweeps=9)
    night = contender.fit(data, Run())
    warm = contender.fit(data, Run(start=night.state))
    cold = Als(dimension=6, regularisation=1.0, sweeps=3).fit(data, Run())
    assert warm.report["n_iterations"] == cold.report["n_iterations"] == 3
    assert loss(warm.state) < loss(night.state) < loss(cold.state)
    other = Als(dimension=4, regularisation=1.0).fit(data, Run(start=night.state))
    assert other.report["warm_start"] is False
