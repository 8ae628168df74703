from __future__ import annotations

import numpy as np

from recsys.scorers import lookalike
from recsys.scorers.lookalike import LookalikeScorer
from tests import worlds

DATA = worlds.dataset([[0, 1], [0, 2], [0, 1, 3], [4]], 5)


def scorer(neighbours: int) -> LookalikeScorer:
    return LookalikeScorer(
        DATA.space,
        DATA.events.seen(5),
        product_weight=np.array([0.5, 1, 1, 1, 1], dtype=np.float32),
        scored_weight=np.array([1, 1, 2, 1, 1], dtype=np.float32),
        norm=np.array([1, 2, 3, 1], dtype=np.float32),
        neighbours=neighbours,
        sharpness=2.0,
    )


def test_by_hand() -> None:
    """Customer 0 shares 0 with customer 1 (.5 / 2) and 0, 1 with customer 2 (1.5 / 3): squared .0625 and .25."""
    scores = scorer(2).score(worlds.queries(DATA, [0]))
    np.testing.assert_allclose(scores, [[0.3125, 0.25, 0.125, 0.25, np.nan]])
    nearest = scorer(1).score(worlds.queries(DATA, [0]))
    np.testing.assert_allclose(nearest, [[0.25, 0.25, np.nan, 0.25, np.nan]])


def test_nobody_is_their_own_neighbour_but_a_stranger_alike_is() -> None:
    assert np.isnan(scorer(2).score(worlds.queries(DATA, [3]))).all()
    stranger = scorer(2).score(worlds.queries(DATA, [-1], history=[[4]]))
    np.testing.assert_allclose(stranger, [[np.nan] * 4 + [1]])


def test_blocks_give_the_same(monkeypatch: object) -> None:
    whole = scorer(2).score(worlds.queries(DATA))
    monkeypatch.setattr(lookalike, "BLOCK_CELLS", 5)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(scorer(2).score(worlds.queries(DATA)), whole)
