"""The one exact top-k of the project."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.contract import F32, I32, Flags, Rows
from recsys.ranking.masks import barred_columns, ragged_columns

BLOCK_MEMORY = 64 * 2**20  # bytes
GROUPS_PER_PLACE = 10  # more groups: fewer columns reach the floor, but finding the floor costs more


def top_k(scores: F32, k: int, *, seen: Rows | None = None, barred: Flags | None = None) -> tuple[I32, F32]:
    """Select the k best columns of each row of scores [n, m], best first, ties by lower column number.

    Returns columns int32[n, k] padded with -1 and their scores float32[n, k] padded with NaN. What is not finite, a
    stored entry of `seen` (csr [n, m]) or a column of `barred` (bool [m]) never enters. The arguments are left as they
    are; the GIL is released. Raises ValueError on k < 1 and on masks of another shape.
    """
    from recsys.ranking import kernels

    if k < 1:
        raise ValueError(f"k: got {k}, wanted at least 1")
    n, m = scores.shape
    columns = np.full((n, k), -1, dtype=np.int32)
    values = np.full((n, k), np.nan, dtype=np.float32)
    if n and m:
        flags, own = barred_columns(barred, m), ragged_columns(seen, (n, m), "seen")
        block = np.ascontiguousarray(scores, dtype=np.float32)
        kernels.best(block, flags, *own, min(GROUPS_PER_PLACE * k, m), columns, values)
    return columns, values


def blocks(n: int, m: int, memory: int = BLOCK_MEMORY) -> Iterator[slice]:
    """Cut n rows into consecutive slices whose float32 scores for m columns fit in `memory` bytes, or single rows."""
    rows = max(1, memory // (4 * max(m, 1)))
    for first in range(0, n, rows):
        yield slice(first, min(first + rows, n))
