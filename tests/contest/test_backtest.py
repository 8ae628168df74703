"""A backtest's scorecards: what each track is split by and how its numbers are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsys.config import Contest
from recsys.contest.backtest import judge
from recsys.contract import Run, Truth
from recsys.data.split import HeldOut
from recsys.models.popularity import Popularity
from tests import worlds


def test_baskets_of_exactly_two_are_a_group_of_their_own() -> None:
    """Product 0 is the most popular, then 1, 2, 3: three baskets of sizes 2, 3, 2, each asked with product 0."""
    data = worlds.dataset([[0, 1, 2, 3], [0, 1, 2], [0, 1], [0]], 5)
    bought, none = np.array([1, 3, 2, 3], dtype=np.int32), np.ones(4, dtype=np.float32)
    truth = Truth(np.array([0, 1, 3, 4]), bought, none, none, np.zeros(4, dtype=np.int64))
    ids = np.array(["a", "b", "c"], dtype=object)
    asked = worlds.queries(data, [-1, -1, -1], basket=[[0], [0], [0]])
    customers = replace(asked, basket=None)
    held = HeldOut(customers, truth, ids, asked, truth, ids, 1, 28)
    cards = judge("popular", Popularity().fit(data, Run()).scorer, held, Contest(at=(1, 2), primary="ndcg_at_1"))
    card = cards["basket"]
    assert card.groups["of_two"].tolist() == [True, False, True]
    assert card.values["hit_at_1"].tolist() == [1, 0, 0]  # the target is the first of each truth
    assert card.values["any_hit_at_2"].tolist() == [1, 1, 0]
    assert "of_two" not in cards["new"].groups
