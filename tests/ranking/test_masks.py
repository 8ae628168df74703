"""Masks in the kernels' form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys.ranking.masks import barred_columns, ragged_columns


def test_no_mask_bars_nothing() -> None:
    np.testing.assert_array_equal(barred_columns(None, 3), [False, False, False])
    start, column = ragged_columns(None, (2, 5), "seen")
    np.testing.assert_array_equal(start, [0, 0, 0])
    assert (start.dtype, column.dtype, len(column)) == (np.int64, np.int32, 0)


def test_columns_ascend_and_the_rows_given_stay_as_they_are() -> None:
    rows = sparse.csr_matrix((np.ones(3), np.array([4, 0, 2]), np.array([0, 2, 3])), shape=(2, 5))
    start, column = ragged_columns(rows, (2, 5), "seen")
    np.testing.assert_array_equal(start, [0, 2, 3])
    np.testing.assert_array_equal(column, [0, 4, 2])
    np.testing.assert_array_equal(rows.indices, [4, 0, 2])


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seen: got shape \(2, 5\), wanted \(5, 2\)"):
        ragged_columns(sparse.csr_matrix((2, 5)), (5, 2), "seen")
    with pytest.raises(ValueError, match="barred"):
        barred_columns(np.zeros((2, 2), dtype=bool), 4)
