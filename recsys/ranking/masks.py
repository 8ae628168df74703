"""Masks over a block of scores in the form the kernels take: which entries of which rows may not be ranked."""

from __future__ import annotations

import numpy as np

from recsys.contract import I32, I64, Flags, Rows


def barred_columns(barred: Flags | None, m: int) -> Flags:
    """bool[m]; raises ValueError when `barred` has another length."""
    if barred is None:
        return np.zeros(m, dtype=np.bool_)
    if barred.shape != (m,):
        raise ValueError(f"barred: got shape {barred.shape}, wanted ({m},), one flag per column of scores")
    return np.ascontiguousarray(barred, dtype=np.bool_)


def ragged_columns(rows: Rows | None, shape: tuple[int, int], name: str) -> tuple[I64, I32]:
    """start int64[n+1] and column int32[nnz], ascending per row, of stored entries; ValueError on another shape."""
    if rows is None:
        return np.zeros(shape[0] + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    if rows.shape != shape:
        raise ValueError(f"{name}: got shape {rows.shape}, wanted {shape}, the shape of scores")
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()  # a copy
    return rows.indptr.astype(np.int64), rows.indices.astype(np.int32, copy=False)
