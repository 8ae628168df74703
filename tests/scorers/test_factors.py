from __future__ import annotations

import numpy as np

from recsys.scorers import factors
from recsys.scorers.factors import FactorScorer
from recsys.scorers.tower import Pool, Tower
from tests import worlds

DATA = worlds.dataset([[0, 1], [3], []], 4)
VECTORS = np.array([[1, 0], [0, 1], [2, 2], [1, -1]], dtype=np.float32)
TOWER = Tower(2, history=Pool(VECTORS))


def test_query_vector_times_product_vectors_plus_bias() -> None:
    bias = np.array([0.5, 0, np.nan, 0], dtype=np.float32)
    scores = FactorScorer(DATA.space, VECTORS, bias, TOWER).score(worlds.queries(DATA))
    np.testing.assert_allclose(scores, [[1.5, 1, np.nan, 0], [1.5, -1, np.nan, 2], [0.5, 0, np.nan, 0]])


def test_who_is_unknown_gets_no_opinion_without_biases() -> None:
    flat = np.array([0, 0, np.nan, 0], dtype=np.float32)
    for bias in (None, flat):
        scores = FactorScorer(DATA.space, VECTORS, bias, TOWER).score(worlds.queries(DATA))
        assert np.isnan(scores[2]).all()
        assert np.isfinite(scores[0, [0, 1, 3]]).all()


def test_blocks_and_chosen_products_give_the_same(monkeypatch: object) -> None:
    scorer = FactorScorer(DATA.space, VECTORS, np.ones(4, dtype=np.float32), TOWER)
    whole = scorer.score(worlds.queries(DATA))
    monkeypatch.setattr(factors, "QUERY_BLOCK", 2)  # type: ignore[attr-defined]
    some = np.array([2, 0, 3], dtype=np.int32)
    np.testing.assert_array_equal(scorer.score(worlds.queries(DATA), some), whole[:, some])


def test_distance_is_an_inner_product_and_a_bias() -> None:
    """-|q - p|^2 ranks as 2 q.p - |p|^2."""
    queries = worlds.queries(DATA, [0, 1])
    q = TOWER.vectors(queries)
    distance = ((q[:, None, :] - VECTORS[None, :, :]) ** 2).sum(axis=2)
    scores = FactorScorer(DATA.space, 2 * VECTORS, -(VECTORS**2).sum(axis=1), TOWER).score(queries)
    np.testing.assert_allclose(scores, -distance + (q**2).sum(axis=1)[:, None], rtol=1e-5)
