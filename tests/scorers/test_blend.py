from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys import arrays
from recsys.contract import Features, Index, Queries
from recsys.scorers.blend import BlendScorer, rank_share, standardise
from recsys.scorers.factors import FactorScorer
from recsys.scorers.linear import LinearScorer
from recsys.scorers.store import load_scorer, scorer_bytes
from recsys.scorers.tower import Tower
from tests import worlds

DATA = worlds.dataset([[0], [3], []], 4, segment=[0, 1, 0])
BIAS = np.array([[4, 1, 3, 2]], dtype=np.float32)
W = sparse.csr_matrix(np.array([[0, 0, 0, 5], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 2, 0]], dtype=np.float32))


def parts() -> dict[str, LinearScorer]:
    return {"z": LinearScorer(DATA.space, "none", bias=BIAS), "a": LinearScorer(DATA.space, "history", W)}


def test_scores_are_standardised_over_unseen_products() -> None:
    seen, mute = np.zeros((1, 4), dtype=bool), np.zeros((1, 4), dtype=bool)
    seen[0, 0] = True
    scaled = standardise(BIAS.copy(), seen, mute)
    spread = np.std([1, 3, 2])
    np.testing.assert_allclose(scaled[0], [2 / spread, -1 / spread, 1 / spread, 0], rtol=1e-6)


def test_a_silent_part_counts_the_product_among_its_last() -> None:
    scores = np.array([[1, np.nan, 3, 2], [np.nan] * 4], dtype=np.float32)
    mute = np.isnan(scores)
    scaled = standardise(scores, np.zeros((2, 4), dtype=bool), mute)
    np.testing.assert_allclose(scaled[0], (np.array([1, 0, 3, 2]) - 1.5) / np.std([1, 0, 3, 2]), rtol=1e-6)
    np.testing.assert_array_equal(scaled[1], 0)
    ranked = rank_share(scores, mute)
    np.testing.assert_allclose(ranked[0], [0.5, 0.25, 1, 0.75])
    assert len(set(ranked[1])) == 1


@pytest.mark.parametrize("scale", ["score", "rank"])
def test_weights_join_the_parts_by_name(scale: str) -> None:
    queries = worlds.queries(DATA)
    only = BlendScorer(DATA.space, parts(), {"z": 0.0, "a": 1.0}, scale).score(queries)  # type: ignore[arg-type]
    assert np.argmax(only[0]) == 3
    assert np.argmax(only[1]) == 2
    both = BlendScorer(DATA.space, parts(), {"z": 1.0, "a": 0.01}, scale).score(queries)  # type: ignore[arg-type]
    assert np.argmax(both[1]) == 0
    assert np.isfinite(both).all()
    some = np.array([2, 1], dtype=np.int32)
    chosen = BlendScorer(DATA.space, parts(), {"z": 1.0, "a": 0.01}, scale).score(queries, some)  # type: ignore[arg-type]
    np.testing.assert_array_equal(chosen, both[:, some])


def test_no_part_no_opinion() -> None:
    blend = BlendScorer(DATA.space, {"a": LinearScorer(DATA.space, "history", W)}, {"a": 1.0})
    assert np.isnan(blend.score(worlds.queries(DATA))[2]).all()


def test_every_part_gets_the_columns_it_knows() -> None:
    mine, theirs = Index.of(["age"]), Index.of(["size"])
    table = np.array([[2.0]], dtype=np.float32)
    vectors = np.arange(4, dtype=np.float32)[:, None]
    part = {
        name: FactorScorer(DATA.space, sign * vectors, tower=Tower(1, features=table), inputs=inputs)
        for name, inputs, sign in (("up", mine, 1), ("down", theirs, -1))
    }
    blend = BlendScorer(DATA.space, part, {"up": 1.0, "down": 1.0}, inputs=Index.of(["age", "size"]))  # type: ignore[arg-type]
    features = Features(sparse.csr_matrix(np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)), blend.inputs)
    asked = worlds.queries(DATA)
    scores = blend.score(Queries(**{**vars(asked), "features": features}))
    assert np.argmax(scores[0]) == 3
    assert np.argmax(scores[1]) == 0
    np.testing.assert_allclose(scores[2], 0, atol=1e-6)


def test_it_nests_in_the_store() -> None:
    inner = BlendScorer(DATA.space, parts(), {"z": 1.0, "a": 2.0})
    outer = BlendScorer(DATA.space, {"blend": inner, "z": parts()["z"]}, {"blend": 0.3, "z": 0.7}, "rank")
    again = load_scorer(scorer_bytes(outer))
    assert arrays.digest(again) == arrays.digest(outer)
    queries = worlds.queries(DATA)
    np.testing.assert_array_equal(again.score(queries), outer.score(queries))
