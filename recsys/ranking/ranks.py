"""Ranks of held-out products: all that ranking metrics need, counted without building a list."""

from __future__ import annotations

import numpy as np

from recsys.contract import F32, I32, I64, Flags, Rows
from recsys.ranking.masks import barred_columns, ragged_columns


def held_out_ranks(
    scores: F32,
    start: I64,
    product: I32,
    *,
    seen: Rows | None = None,
    barred: Flags | None = None,
    candidates: Rows | None = None,
) -> I32:
    """Rank each held-out product among the allowed products of its row: int32[nnz], 1 = best, 0 = a miss.

    Row i of scores [n, m] holds out product[start[i]:start[i+1]]. Allowed is what is finite, not a stored entry of
    `seen` (csr [n, m]), not in `barred` (bool [m]) and, given `candidates` (csr [n, m]), a stored entry of it or
    one of the row's own held-out products (a product that is both counts once). Whatever scores at least as much
    ranks before: a held-out product never wins a tie, so a scorer without opinions earns nothing. A held-out product
    that is not allowed or -1 is a miss. The arguments are left as they are; the GIL is released. Raises ValueError on
    shapes that do not fit and on products beyond m.
    """
    return ranks_and_pools(scores, start, product, seen=seen, barred=barred, candidates=candidates)[0]


def ranks_and_pools(
    scores: F32,
    start: I64,
    product: I32,
    *,
    seen: Rows | None = None,
    barred: Flags | None = None,
    candidates: Rows | None = None,
) -> tuple[I32, I32]:
    """`held_out_ranks`, and int32[n]: how many products each row ranked, its held-out ones included (0 without any)."""
    from recsys.ranking import kernels

    n, m = scores.shape
    _check_truth(n, m, start, product)
    ranks, pool = np.zeros(len(product), dtype=np.int32), np.zeros(n, dtype=np.int32)
    if n and m:
        given = (
            np.ascontiguousarray(scores, dtype=np.float32),
            start.astype(np.int64, copy=False),
            product.astype(np.int32, copy=False),
            barred_columns(barred, m),
            *ragged_columns(seen, (n, m), "seen"),
        )
        if candidates is None:
            kernels.count_ranks(*given, ranks, pool)
        else:
            kernels.count_candidate_ranks(*given, *ragged_columns(candidates, (n, m), "candidates"), ranks, pool)
    return ranks, pool


def _check_truth(n: int, m: int, start: I64, product: I32) -> None:
    if len(start) != n + 1 or start[0] != 0 or start[-1] != len(product) or np.any(np.diff(start) < 0):
        raise ValueError(f"start: got {len(start)} bounds, wanted {n + 1}, from 0 up to {len(product)} products")
    if len(product) and product.max() >= m:
        raise ValueError(f"product: got column {product.max()}, wanted below {m}, the columns of scores")
