from __future__ import annotations

import numpy as np

from recsys.contract import Run
from recsys.models.buy_again import BuyAgain
from tests import worlds


def test_own_frequency_and_recency() -> None:
    data = worlds.dataset([[0, 0, 1], [2], []], 4, days_ago=[[30, 10, 10], [20], []])
    scores = BuyAgain(half_life_days=10.0).fit(data, Run()).scorer.score(worlds.queries(data))
    nan = np.nan
    expected = [[0.125 + 0.5, 0.5, nan, nan], [nan, nan, 0.25, nan], [nan] * 4]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
