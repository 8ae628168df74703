"""What a validation split hides must be independent from product to product."""

from __future__ import annotations

import numpy as np

from recsys.data.split import validation_split
from tests import worlds


def test_no_two_products_are_hidden_together_more_often_than_by_chance() -> None:
    """600 customers with all of 90 products, a fifth hidden: pairs hidden together are near 1/25, none far above."""
    u, m = 600, 90
    data = worlds.dataset([list(range(m))] * u, m, days_ago=[[1.0] * m] * u)
    held = validation_split(data, 0.2)
    owner = np.repeat(np.arange(u), np.diff(held.truth.start))
    hidden = np.zeros((u, m))
    hidden[owner, held.truth.product] = 1
    together = (hidden.T @ hidden / u)[np.triu_indices(m, 1)]
    np.testing.assert_allclose(hidden.mean(axis=0), 0.2, atol=0.08)
    assert together.mean() < 0.045
    assert together.max() < 0.09  # 4,005 pairs: six standard deviations; a golden-ratio product gives .2
