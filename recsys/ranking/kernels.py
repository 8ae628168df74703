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
from numpy.typing import NDArray

from recsys.contract import F32, I32, I64, Flags

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Whole = NDArray[np.signedinteger[Any]]
NOTHING = np.int32(-(2**31))  # below every finite score
INFINITY = np.float32(np.inf)
LOW = np.int32(2**31 - 1)  # the lower 31 bits
TILE = 4096  # columns counted for all held-out products of a row while they are in the nearest cache


def compiled(function: Kernel) -> Kernel:
    """Compile with numba, kept on disk where that can be written."""
    compile_it: Any = functools.partial(numba.njit, nogil=True, error_model="numpy")
    try:
        kernel: Kernel = compile_it(function, cache=True)
    except RuntimeError:  # numba found no writable folder for its cache
        kernel = compile_it(function)
    return kernel


@compiled
def order_of(score: np.float32, barred: bool) -> np.int32:
    """The score as an int32 that orders the same; NOTHING where barred or not finite; both zeros are 0."""
    bits = np.float32(score).view(np.int32)
    order = bits ^ ((bits >> np.int32(31)) & LOW) if score != 0 else np.int32(0)
    return order if abs(score) < INFINITY and not barred else NOTHING


@compiled
def allow(row: F32, barred: Flags, scratch: I32) -> None:
    """Write the orders of `row` to the front of `scratch`."""
    for j in range(row.shape[0]):
        scratch[j] = order_of(row[j], barred[j])


@compiled
def group_maxima(scratch: I32, maxima: I32) -> None:
    """Maximum of each group of columns; group g is every len(maxima)-th column from g, so vector lanes never mix."""
    groups = maxima.shape[0]
    maxima.fill(NOTHING)
    for first in range(0, scratch.shape[0], groups):
        part = scratch[first : first + groups]
        for g in range(groups):
            maxima[g] = max(maxima[g], part[g])


@compiled
def reach(orders: Whole, bar: Any) -> int:
    """How many orders are at or above `bar`."""
    count = np.int32(0)
    for j in range(orders.shape[0]):
        count = np.int32(count + (orders[j] >= bar))  # numba widens sums to 64 bits: half the lanes
    return int(count)


@compiled
def kth_largest(values: Whole, k: int) -> Any:
    """The largest bar that at least k values reach (their minimum where there are fewer), by bisection."""
    kind = values.dtype.type
    low = high = values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    while low < high:
        bar = kind((low | high) - ((low ^ high) >> 1))  # the upper middle, without overflow
        if reach(values, bar) >= k:
            low = bar
        else:
            high = kind(bar - 1)
    return low


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
def keep(keys: I64, bar: int) -> int:
    """Move the keys that reach `bar` to the front, and return how many."""
    kept = 0
    for key in keys:
        keys[kept] = key
        kept += key >= bar
    return kept


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
        allow(scores[i], barred, scratch)
        for at in range(seen_start[i], seen_start[i + 1]):
            scratch[seen[at]] = NOTHING
        group_maxima(scratch, maxima)
        floor = max(kth_largest(maxima, k), NOTHING + np.int32(1))
        found = gather(scratch, maxima, floor, reaching, keys)
        if found > 4 * k:
            found = keep(keys[:found], kth_largest(keys[:found], k))
        keys[:found].sort()
        for place in range(min(k, found)):
            j = LOW - (keys[found - 1 - place] & np.int64(LOW))
            columns[i, place] = j
            values[i, place] = scores[i, j]


@compiled
def is_in(columns: I32, j: int) -> bool:
    """Whether j is one of the ascending columns."""
    at = np.searchsorted(columns, j)
    return bool(at < columns.shape[0] and columns[at] == j)


@compiled
def set_bars(row: F32, barred: Flags, seen: I32, held_out: I32, bars: I32) -> None:
    """The order each held-out product has to be reached at, NOTHING for a miss."""
    for at in range(held_out.shape[0]):
        p = held_out[at]
        bars[at] = NOTHING if p < 0 or is_in(seen, p) else order_of(row[p], barred[p])


@compiled
def count(orders: I32, bars: I32, ranks: I32) -> int:
    """Add to each rank how many orders reach its bar (itself, and whatever scores at least as much); return how many
    of the orders are allowed at all."""
    for at in range(bars.shape[0]):
        if bars[at] != NOTHING:
            ranks[at] += reach(orders, bars[at])
    return reach(orders, NOTHING + np.int32(1))


@compiled
def count_ranks(
    scores: F32,
    start: I64,
    product: I32,
    barred: Flags,
    seen_start: I64,
    seen: I32,
    ranks: I32,
    pool: I32,
) -> None:
    """Fill ranks [nnz] of the held-out products and pool [n], the number of products ranked per row; both come as 0.

    The columns of `seen` ascend in each row. A row is read once, in tiles that stay in the nearest cache while all
    its held-out products are counted.
    """
    n, m = scores.shape
    scratch = np.empty(TILE, dtype=np.int32)
    bars = np.empty(product.shape[0], dtype=np.int32)
    for i in range(n):
        mine = slice(start[i], start[i + 1])
        if start[i] == start[i + 1]:
            continue
        set_bars(scores[i], barred, seen[seen_start[i] : seen_start[i + 1]], product[mine], bars[mine])
        at = seen_start[i]
        for first in range(0, m, TILE):
            last = min(first + TILE, m)
            allow(scores[i, first:last], barred[first:last], scratch)
            while at < seen_start[i + 1] and seen[at] < last:
                scratch[seen[at] - first] = NOTHING
                at += 1
            pool[i] += count(scratch[: last - first], bars[mine], ranks[mine])


@compiled
def count_candidate_ranks(
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
    """The same among the candidates and held-out products of each row only, each counted once."""
    bars = np.empty(product.shape[0], dtype=np.int32)
    for i in range(scores.shape[0]):
        mine = slice(start[i], start[i + 1])
        if start[i] == start[i + 1]:
            continue
        own = seen[seen_start[i] : seen_start[i + 1]]
        set_bars(scores[i], barred, own, product[mine], bars[mine])
        drawn = np.unique(np.concatenate((candidate[candidate_start[i] : candidate_start[i + 1]], product[mine])))
        orders = np.empty(drawn.shape[0], dtype=np.int32)
        set_bars(scores[i], barred, own, drawn, orders)
        pool[i] = count(orders, bars[mine], ranks[mine])
