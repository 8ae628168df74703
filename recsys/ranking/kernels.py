"""Compiled loops over rows of scores: the only file with numba, imported inside the functions that call it.

Every kernel first writes the row it works on into a scratch row of int32 that order like the scores (float bits, the
lower 31 flipped where negative), with NOTHING for whatever may not be ranked. Selecting and counting then never ask
about masks, NaN or the sign of zero, and the caller's scores stay as they are. All kernels release the GIL; threads
are the caller's business.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from recsys.contract import F32, I32, I64, Flags

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
NOTHING = np.int32(-(2**31))  # below every finite score
LOW = np.int32(2**31 - 1)  # the lower 31 bits


def compiled(function: Kernel) -> Kernel:
    """Compile with numba, kept on disk where that can be written."""
    compile_it: Any = functools.partial(numba.njit, nogil=True, error_model="numpy")
    try:
        kernel: Kernel = compile_it(function, cache=True)
    except RuntimeError:  # numba found no writable folder for its cache
        kernel = compile_it(function)
    return kernel


@compiled
def allow(row: F32, barred: Flags, seen: I32, scratch: I32) -> None:
    """Write the order of `row` to the front of `scratch`, NOTHING where barred, seen or not finite."""
    bits = row.view(np.int32)
    for j in range(row.shape[0]):
        score = row[j]
        order = bits[j] ^ ((bits[j] >> np.int32(31)) & LOW)
        order = order if score != 0 else np.int32(0)
        scratch[j] = order if abs(score) < np.inf and not barred[j] else NOTHING
    for at in range(seen.shape[0]):
        scratch[seen[at]] = NOTHING


@compiled
def allow_only(row: F32, columns: I32, barred: Flags, scratch: I32) -> None:
    """The same for the given columns only; the rest of `scratch` is left as it is."""
    bits = row.view(np.int32)
    for at in range(columns.shape[0]):
        j = columns[at]
        if j >= 0 and abs(row[j]) < np.inf and not barred[j]:
            scratch[j] = bits[j] ^ ((bits[j] >> np.int32(31)) & LOW) if row[j] != 0 else 0


@compiled
def group_maxima(scratch: I32, maxima: I32) -> None:
    """Maximum of each group of columns; group g is every len(maxima)-th column from g, so vector lanes never mix."""
    groups = maxima.shape[0]
    maxima[:] = scratch[:groups]
    for first in range(groups, scratch.shape[0], groups):
        part = scratch[first : first + groups]
        for g in range(groups):
            maxima[g] = max(maxima[g], part[g])


@compiled
def reach(orders: I32, bar: np.int32) -> int:
    """How many orders are at or above `bar`."""
    count = np.int32(0)
    for j in range(orders.shape[0]):
        count += np.int32(orders[j] >= bar)
    return int(count)


@compiled
def kth_largest(values: I32, k: int) -> np.int32:
    """The largest bar that at least k values reach: bisection over the 32 bits."""
    low, high = np.int64(NOTHING), np.int64(LOW)
    while low < high:
        bar = (low + high + 1) >> 1
        if reach(values, np.int32(bar)) >= k:
            low = bar
        else:
            high = bar - 1
    return np.int32(low)


@compiled
def gather(scratch: I32, maxima: I32, floor: np.int32, reaching: I32, keys: I64) -> int:
    """Write one key per column that reaches `floor`, and return how many; both buffers have one place to spare.

    Keys are distinct and order like (score descending, column ascending) when sorted downwards. Writing first and
    counting after keeps the loops free of branches nobody can predict.
    """
    groups = maxima.shape[0]
    some, found = 0, 0
    for g in range(groups):
        reaching[some] = g
        some += maxima[g] >= floor
    for at in range(some):
        for j in range(reaching[at], scratch.shape[0], groups):
            keys[found] = (np.int64(scratch[j]) << 32) | np.int64(LOW - j)
            found += scratch[j] >= floor
    return found


@compiled
def best(scores: F32, barred: Flags, seen_start: I64, seen: I32, groups: int, columns: I32, values: F32) -> None:
    """Fill columns and values [n, k], given as -1 and NaN, with the k best allowed columns of each row.

    The k-th largest of the group maxima is a floor that at least k columns reach, so only the groups that reach it are
    looked at again.
    """
    n, m = scores.shape
    k = columns.shape[1]
    scratch = np.full((m + groups - 1) // groups * groups, NOTHING, dtype=np.int32)
    maxima = np.empty(groups, dtype=np.int32)
    reaching = np.empty(groups + 1, dtype=np.int32)
    keys = np.empty(m + 1, dtype=np.int64)
    for i in range(n):
        allow(scores[i], barred, seen[seen_start[i] : seen_start[i + 1]], scratch)
        group_maxima(scratch, maxima)
        floor = max(kth_largest(maxima, k), NOTHING + np.int32(1))
        found = gather(scratch, maxima, floor, reaching, keys)
        kept = keys[:found]
        if found > 4 * k:
            kept = np.partition(kept, found - k)[found - k :]
        kept = np.sort(kept)[::-1]
        for place in range(min(k, kept.shape[0])):
            j = LOW - (kept[place] & np.int64(LOW))
            columns[i, place] = j
            values[i, place] = scores[i, j]


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
    """Fill ranks [nnz] of the held-out products and pool [n], the number of products ranked per row; both come as 0.

    An empty `candidate_start` admits every column.
    """
    n, m = scores.shape
    scratch = np.empty(m, dtype=np.int32)
    for i in range(n):
        held_out = product[start[i] : start[i + 1]]
        if held_out.shape[0] == 0:
            continue
        own = seen[seen_start[i] : seen_start[i + 1]]
        if candidate_start.shape[0] == 0:
            allow(scores[i], barred, own, scratch)
        else:
            scratch[:] = NOTHING
            allow_only(scores[i], candidate[candidate_start[i] : candidate_start[i + 1]], barred, scratch)
            allow_only(scores[i], held_out, barred, scratch)
            scratch[own] = NOTHING
        pool[i] = reach(scratch, NOTHING + np.int32(1))
        for at in range(start[i], start[i + 1]):
            p = product[at]
            if p >= 0 and scratch[p] != NOTHING:
                ranks[at] = reach(scratch, scratch[p])  # itself, and whatever scores at least as much
