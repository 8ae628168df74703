"""Exact top-k against a full sort, whatever the sizes, ties, gaps and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys.ranking.topk import blocks, top_k


def sorted_top_k(scores: Any, k: int, seen: Any, barred: Any) -> tuple[Any, Any]:
    """The definition, slowly."""
    columns = np.full((len(scores), k), -1)
    values = np.full((len(scores), k), np.nan, dtype=np.float32)
    for i, row in enumerate(scores):
        allowed = np.isfinite(row)
        if barred is not None:
            allowed &= ~barred
        if seen is not None:
            allowed[seen[i].indices] = False
        found = np.flatnonzero(allowed)
        found = found[np.lexsort((found, -row[found]))][:k]
        columns[i, : len(found)], values[i, : len(found)] = found, row[found]
    return columns, values


def case(seed: int) -> tuple[Any, int, Any, Any]:
    """Random sizes, some with many ties, some with gaps, some without masks."""
    rng = np.random.default_rng(seed)
    n, m, k = int(rng.integers(1, 9)), int(rng.integers(1, 500)), int(rng.integers(1, 70))
    scores = rng.normal(size=(n, m)).astype(np.float32)
    if seed % 2:
        scores = np.round(scores * rng.integers(0, 4))
    scores[rng.random((n, m)) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
    seen = sparse.random(n, m, 0.1, format="csr", random_state=seed, dtype=np.float32) if seed % 3 else None
    return scores, k, seen, rng.random(m) < 0.2 if seed % 5 else None


@pytest.mark.parametrize("seed", range(120))
def test_equals_a_full_sort(seed: int) -> None:
    scores, k, seen, barred = case(seed)
    before = scores.copy()
    columns, values = top_k(scores, k, seen=seen, barred=barred)
    wanted = sorted_top_k(scores, k, seen, barred)
    np.testing.assert_array_equal(columns, wanted[0])
    np.testing.assert_array_equal(values, wanted[1])
    np.testing.assert_array_equal(scores, before)
    assert (columns.dtype, values.dtype) == (np.int32, np.float32)


def test_masks_and_padding_by_hand() -> None:
    scores = np.array([[3, 9, np.nan, 9, 1], [-1, -2, -3, -np.inf, np.inf]], dtype=np.float32)
    seen = sparse.csr_matrix(([0.0, 1.0], ([0, 1], [3, 1])), shape=(2, 5))  # a stored 0 was seen all the same
    columns, values = top_k(scores, 4, seen=seen, barred=np.array([True, False, False, False, False]))
    np.testing.assert_array_equal(columns, [[1, 4, -1, -1], [2, -1, -1, -1]])
    np.testing.assert_array_equal(values, np.float32([[9, 1, np.nan, np.nan], [-3, np.nan, np.nan, np.nan]]))


@pytest.mark.parametrize("k", [1, 5, 300])
def test_a_constant_row_is_ranked_by_column(k: int) -> None:
    columns, _ = top_k(np.full((2, 700), 4, dtype=np.float32), k)
    np.testing.assert_array_equal(columns, np.tile(np.arange(k), (2, 1)))


def test_both_zeros_are_equal() -> None:
    columns, _ = top_k(np.array([[-0.0, 0.0, -0.0]], dtype=np.float32), 3)
    np.testing.assert_array_equal(columns, [[0, 1, 2]])


@pytest.mark.parametrize("order", [1, -1])
def test_the_best_may_all_sit_together(order: int) -> None:
    scores = np.arange(5000, dtype=np.float32)[None, ::order]
    np.testing.assert_array_equal(top_k(scores, 40)[1][0], np.arange(4999, 4959, -1))


def test_no_rows_and_no_columns() -> None:
    assert top_k(np.empty((0, 4), dtype=np.float32), 2)[0].shape == (0, 2)
    np.testing.assert_array_equal(top_k(np.empty((3, 0), dtype=np.float32), 2)[0], np.full((3, 2), -1))


@pytest.mark.parametrize(
    ("k", "masks", "told"),
    [
        (0, {}, "at least 1"),
        (1, {"barred": np.zeros(3, dtype=bool)}, "barred"),
        (1, {"seen": sparse.csr_matrix((2, 3))}, "seen"),
    ],
)
def test_what_does_not_fit_is_refused(k: int, masks: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        top_k(np.zeros((2, 4), dtype=np.float32), k, **masks)


def test_blocks_cover_every_row_within_memory() -> None:
    cut = list(blocks(10, 100, memory=3 * 400 + 399))
    assert [(rows.start, rows.stop) for rows in cut] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert len(list(blocks(4, 100, memory=1))) == 4
    assert list(blocks(0, 100)) == []
    assert list(blocks(5, 0)) == [slice(0, 5)]
