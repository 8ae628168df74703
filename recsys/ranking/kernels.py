"""Compiled loops over rows of scores: the only file with numba, imported inside the functions that call it.

Every kernel first writes the row it works on into a scratch row in which whatever may not be ranked is -inf, so that
selecting and counting never ask about masks again, and the caller's scores stay as they are. All kernels release the
GIL; threads are the caller's business.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from recsys.contract import F32, I32, I64, Flags

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
NOTHING = np.float32(-np.inf)


def compiled(function: Kernel) -> Kernel:
    """Compile with numba, kept on disk where that can be written."""
    compile_it: Any = functools.partial(numba.njit, nogil=True, error_model="numpy")
    try:
        kernel: Kernel = compile_it(function, cache=True)
    except RuntimeError:  # numba found no writable folder for its cache
        kernel = compile_it(function)
    return kernel


@compiled
def allow(row: F32, barred: Flags, seen: I32, scratch: F32) -> None:
    """Copy `row` to the front of `scratch`; what is barred, seen or not finite becomes -inf, -0.0 becomes 0.0."""
    for j in range(row.shape[0]):
        score = row[j]
        scratch[j] = score + np.float32(0) if abs(score) < np.inf and not barred[j] else NOTHING
    for at in range(seen.shape[0]):
        scratch[seen[at]] = NOTHING


@compiled
def allow_only(row: F32, columns: I32, barred: Flags, scratch: F32) -> None:
    """Copy the allowed ones of `columns` only; the rest of `scratch` is left as it is."""
    for at in range(columns.shape[0]):
        j = columns[at]
        if 0 <= j < row.shape[0] and abs(row[j]) < np.inf and not barred[j]:
            scratch[j] = row[j] + np.float32(0)


@compiled
def group_maxima(scratch: F32, maxima: F32) -> None:
    """Maximum of each group of columns; group g is every len(maxima)-th column from g, so that lanes never mix."""
    groups = maxima.shape[0]
    maxima[:] = scratch[:groups]
    for first in range(groups, scratch.shape[0], groups):
        for g in range(groups):
            score = scratch[first + g]
            maxima[g] = score if score > maxima[g] else maxima[g]


@compiled
def gather(scratch: F32, maxima: F32, floor: np.float32, keys: NDArray[np.uint64]) -> int:
    """Write one key per column at or above `floor` (and above -inf), and return how many.

    Keys are distinct and order like (score descending, column ascending) when sorted downwards.
    """
    groups = maxima.shape[0]
    bits = scratch.view(np.uint32)
    found = 0
    for g in range(groups):
        if maxima[g] < floor or maxima[g] == NOTHING:
            continue
        for j in range(g, scratch.shape[0], groups):
            if scratch[j] >= floor and scratch[j] != NOTHING:
                high = ~bits[j] if bits[j] >> np.uint32(31) else bits[j] | np.uint32(0x80000000)
                keys[found] = (np.uint64(high) << np.uint64(32)) | np.uint64(np.uint32(0xFFFFFFFF) - np.uint32(j))
                found += 1
    return found


@compiled
def best(scores: F32, barred: Flags, seen_start: I64, seen: I32, groups: int, columns: I32, values: F32) -> None:
    """Fill columns and values [n, k], given as -1 and NaN, with the k best allowed columns of each row.

    The k-th largest of the group maxima is a floor that at least k columns reach, so only the groups that reach it are
    looked at again.
    """
    n, m = scores.shape
    k = columns.shape[1]
    scratch = np.full((m + groups - 1) // groups * groups, NOTHING, dtype=np.float32)
    maxima = np.empty(groups, dtype=np.float32)
    keys = np.empty(m, dtype=np.uint64)
    for i in range(n):
        allow(scores[i], barred, seen[seen_start[i] : seen_start[i + 1]], scratch)
        group_maxima(scratch, maxima)
        floor = np.partition(maxima, groups - k)[groups - k] if groups > k else NOTHING
        found = gather(scratch, maxima, floor, keys)
        kept = keys[:found]
        if found > 4 * k:
            kept = np.partition(kept, found - k)[found - k :]
        kept = np.sort(kept)
        for place in range(min(k, kept.shape[0])):
            j = np.uint32(0xFFFFFFFF) - np.uint32(kept[kept.shape[0] - 1 - place] & np.uint64(0xFFFFFFFF))
            columns[i, place] = j
            values[i, place] = scratch[j]


@compiled
def beaten_by(scratch: F32, m: int, p: int) -> int:
    """How many of the m columns rank before column p: a higher score, or an equal one further left."""
    score = scratch[p]
    before = 0
    for j in range(p):
        before += scratch[j] >= score
    for j in range(p + 1, m):
        before += scratch[j] > score
    return before


@compiled
def count_ranks(
    scores: F32,
    start: I64,
    product: I32,
    barred: Flags,
    seen_start: I64,
    seen: I32,
    candidate_start: I64,
    candidate: I32,
    ranks: I32,
    pool: I32,
) -> None:
    """Fill ranks [nnz] of the held-out products and pool [n], the number of products ranked in each row.

    An empty `candidate_start` admits every column.
    """
    n, m = scores.shape
    scratch = np.full(m, NOTHING, dtype=np.float32)
    for i in range(n):
        held_out = product[start[i] : start[i + 1]]
        if held_out.shape[0] == 0:
            pool[i] = 0
            continue
        own = seen[seen_start[i] : seen_start[i + 1]]
        if candidate_start.shape[0] == 0:
            allow(scores[i], barred, own, scratch)
        else:
            scratch[:] = NOTHING
            allow_only(scores[i], candidate[candidate_start[i] : candidate_start[i + 1]], barred, scratch)
            allow_only(scores[i], held_out, barred, scratch)
            scratch[own] = NOTHING
        pool[i] = np.sum(scratch != NOTHING)
        for at in range(start[i], start[i + 1]):
            p = product[at]
            ranks[at] = 0 if p < 0 or scratch[p] == NOTHING else 1 + beaten_by(scratch, m, p)
