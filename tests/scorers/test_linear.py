from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.scorers import linear
from recsys.scorers.linear import LinearScorer
from tests import worlds

DATA = worlds.dataset([[0, 1], [3], []], 4, segment=[0, 1, -1])
W = np.array([[0, 2, 0, 1], [0, 0, 0.5, 0], [0, 0, 0, 0], [0, 0, -1, 0]], dtype=np.float32)
EXPECTED = [[np.nan, 2, 0.5, 1], [np.nan, np.nan, -1, np.nan], [np.nan] * 4]


def test_history_times_weights_sparse_and_dense() -> None:
    queries = worlds.queries(DATA)
    for scorer in (
        LinearScorer(DATA.space, "history", sparse.csr_matrix(W)),
        LinearScorer(DATA.space, "history", dense=W),
    ):
        np.testing.assert_allclose(scorer.score(queries), EXPECTED)
        some = np.array([3, 1], dtype=np.int32)
        np.testing.assert_allclose(scorer.score(queries, some), np.array(EXPECTED)[:, some])


def test_blocks_give_the_same(monkeypatch: object) -> None:
    scorer = LinearScorer(DATA.space, "history", sparse.csr_matrix(W))
    monkeypatch.setattr(linear, "BLOCK_CELLS", 4)  # type: ignore[attr-defined]
    np.testing.assert_allclose(scorer.score(worlds.queries(DATA)), EXPECTED)


def test_basket_in_place_of_history() -> None:
    scorer = LinearScorer(DATA.space, "basket", sparse.csr_matrix(W))
    queries = worlds.queries(DATA, [-1, -1], basket=[[0], []])
    np.testing.assert_allclose(scorer.score(queries), [[np.nan, 2, np.nan, 1], [np.nan] * 4])


def test_bias_of_the_segment_and_of_an_unknown_one() -> None:
    bias = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, np.nan, 12]], dtype=np.float32)
    scorer = LinearScorer(DATA.space, "none", bias=bias)
    np.testing.assert_allclose(scorer.score(worlds.queries(DATA)), bias)
    with_weights = LinearScorer(DATA.space, "history", sparse.csr_matrix(W), bias=bias)
    np.testing.assert_allclose(with_weights.score(worlds.queries(DATA))[0], [1, 4, 3.5, 5])


def test_similar_products_are_rows_of_the_weights() -> None:
    for scorer in (
        LinearScorer(DATA.space, "history", sparse.csr_matrix(W)),
        LinearScorer(DATA.space, "history", dense=W),
    ):
        np.testing.assert_array_equal(scorer.similar(np.array([1, 0], dtype=np.int32)).toarray(), W[[1, 0]])
    assert LinearScorer(DATA.space, "none").similar(np.array([2], dtype=np.int32)).nnz == 0
