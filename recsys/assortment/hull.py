"""Corners of the upper hull of {(sum v, sum w)} over sets of at most b products, for every b up to a cap.

Each corner is the set of the b largest positive w - u v for some slope u >= 0, so a segment of the hull is either
final or split by the best set in its own direction. All segments of all sizes are split together, level by level.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32

ENTRIES = 4_000_000  # of a [queries, products] block


@dataclass(frozen=True)
class Corners:
    """One row per corner: the size it was found for, its sums, and a slope in which it is best."""

    size: I32
    V: F64
    W: F64
    slope: F64


def corners_of(v: F64, w: F64, cap: int) -> Corners:
    """Corners for sizes 1..cap; v, w float64[k] > 0."""
    sizes = np.arange(1, min(cap, len(v)) + 1, dtype=np.int32)
    rows = _undominated(v, w, cap)
    v, w = v[rows], w[rows]
    zero = np.zeros(len(sizes))
    V, W = _best(v, w, sizes, zero)
    found = [Corners(sizes, V, W, zero)]
    todo = np.array([sizes, zero, zero, V, W])  # [5, segments]: size, left end, right end
    while todo.shape[1]:
        V1, W1, V2, W2 = todo[1:]
        slope = (W2 - W1) / (V2 - V1)
        V, W = _best(v, w, todo[0].astype(np.int32), slope)
        above = (W - slope * V > W1 - slope * V1 + 1e-13 * (W1 + W2)) & (V > V1) & (V < V2)
        size, V, W = todo[0, above], V[above], W[above]
        found.append(Corners(size.astype(np.int32), V, W, slope[above]))
        left, right = np.array([size, *todo[1:3, above], V, W]), np.array([size, V, W, *todo[3:, above]])
        todo = np.concatenate([left, right], axis=1)
    return Corners(*(np.concatenate([getattr(c, name) for c in found]) for name in ("size", "V", "W", "slope")))


def members(v: F64, w: F64, size: int, slope: float) -> I32:
    """The products of a corner."""
    gain = w - slope * v
    top = np.argsort(-gain, kind="stable")[:size]
    return top[gain[top] > 0].astype(np.int32)


def _undominated(v: F64, w: F64, cap: int) -> I32:
    """Products that fewer than `cap` others beat in both w and w / v: only these are ever among the best `cap`."""
    order = np.lexsort((-w, -w / v))
    before: list[float] = []
    kept = []
    for row in order:
        if len(before) - bisect.bisect_left(before, w[row]) < cap:
            kept.append(row)
        bisect.insort(before, w[row])
    return np.sort(np.array(kept, dtype=np.int32))


def _best(v: F64, w: F64, size: I32, slope: F64) -> tuple[F64, F64]:
    """(sum v, sum w) [queries] of the best at most `size` products in direction `slope`."""
    V, W = np.empty(len(size)), np.empty(len(size))
    step = max(1, ENTRIES // len(v))
    for at in range(0, len(size), step):
        block = slice(at, at + step)
        gain = np.maximum(w - slope[block, None] * v, 0.0)
        order = np.argsort(-gain, axis=1, kind="stable")[:, : int(size[block].max())]
        taken = (np.arange(order.shape[1]) < size[block, None]) & (np.take_along_axis(gain, order, axis=1) > 0)
        V[block] = np.where(taken, v[order], 0.0).sum(axis=1)
        W[block] = np.where(taken, w[order], 0.0).sum(axis=1)
    return V, W
