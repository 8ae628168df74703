from __future__ import annotations

import numpy as np
import pytest

from recsys.contract import Run
from recsys.errors import FitError
from recsys.models.popularity import Popularity
from tests import worlds


def test_share_of_orders_guests_included() -> None:
    data = worlds.dataset([[0, 1], [1], []], 4, guests=[[1, 3]])
    scores = Popularity().fit(data, Run()).scorer.score(worlds.queries(data))
    assert scores.shape == (3, 4)
    np.testing.assert_allclose(scores[2], [1 / 3, 1, 0, 1 / 3])


def test_window_counts_only_recent_orders() -> None:
    data = worlds.dataset([[0, 1, 2]], 3, days_ago=[[40, 27, 3]])
    scores = Popularity(window_days=28).fit(data, Run()).scorer.score(worlds.queries(data))
    np.testing.assert_allclose(scores[0], [0, 0.5, 0.5])


def test_segments_shrink_to_the_whole() -> None:
    data = worlds.dataset([[0], [0], [1]], 3, segment=[0, 0, 1])
    scorer = Popularity(per_segment=True, shrinkage=1.0).fit(data, Run()).scorer
    scores = scorer.score(worlds.queries(data, [0, 2, -1]))
    np.testing.assert_allclose(scores[0], [(2 + 2 / 3) / 3, (1 / 3) / 3, 0], rtol=1e-6)  # 2 orders of 2, and 1 x 2/3
    np.testing.assert_allclose(scores[1], [(2 / 3) / 2, (1 + 1 / 3) / 2, 0], rtol=1e-6)
    np.testing.assert_allclose(scores[2], [2 / 3, 1 / 3, 0], rtol=1e-6)  # an unknown segment: the overall shares


def test_an_empty_window_fails_with_a_reason() -> None:
    data = worlds.dataset([[0]], 2, days_ago=[[50]])
    with pytest.raises(FitError, match="no orders of the last 7 days"):
        Popularity(window_days=7).fit(data, Run())
