"""The best set under nested logit with dissimilarity in (0, 1]: exact, with or without a cap over all nests.

For a value z, a nest earns h = a V^gamma (W / V - z), with V = sum v and W = sum v r over its carried products. Where
h >= 0 it is quasi-convex in (V, W), so its best set is a corner of the upper hull of {(V, W)}: without a cap the
corners are revenue-ordered sets (Davis, Gallego and Topaloglu 2014), with a cap b they are the b best products by
v (r - u) for some u >= 0 (Gallego and Topaloglu 2014). The nests share a cap through a max-plus recursion over it.
The outer search is Newton's rise over z, as in `mnl`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from recsys.assortment.hull import Corners, corners_of, members
from recsys.assortment.instance import Instance, Nests
from recsys.contract import F64, I32, Flags

ROUNDS = 200


@dataclass(frozen=True)
class Candidates:
    """Sets a nest may carry: what each adds to the ratio's numerator and denominator."""

    money: F64  # [sets] a V^gamma W / V
    attraction: F64  # [sets] a V^gamma


def best_set(instance: Instance, allowed: Flags, cap: int) -> Flags:
    """bool[n]: the best set of at most `cap` of the allowed products."""
    assert instance.nests is not None
    carried = _best_ordered(instance, instance.nests, allowed)
    return carried if carried.sum() <= cap else _best_capped(instance, instance.nests, allowed, cap)


def _best_ordered(instance: Instance, nests: Nests, allowed: Flags) -> Flags:
    """Without a cap: each nest carries its products above some revenue."""
    v, r = instance.preference[0], instance.revenue
    rows = np.flatnonzero(allowed & (v > 0) & (r > 0))
    rows = rows[np.lexsort((-r[rows], nests.of[rows]))]
    of = nests.of[rows]
    start = np.searchsorted(of, np.arange(len(nests.dissimilarity) + 1)).astype(np.int32)
    V, W = (_sum_within(x, start) for x in (v[rows], v[rows] * r[rows]))
    sets = _candidates(V, W, of, nests)

    def pick(z: float) -> I32:
        """[nests] the last product each nest carries, -1 for none."""
        best = np.full(len(start) - 1, -1, dtype=np.int32)
        gain = sets.money - z * sets.attraction
        filled = np.flatnonzero(np.diff(start))
        if len(filled):
            top = np.maximum.reduceat(gain, start[filled])
            at = np.flatnonzero(gain == np.repeat(top, np.diff(start)[filled]))
            best[of[at][::-1]] = at[::-1]
            best[filled[top <= 0]] = -1
        return best

    last = _climb(pick, sets, float(instance.outside[0]))
    carried = np.zeros(instance.n, dtype=np.bool_)
    carried[rows[np.arange(len(rows)) <= last[of]]] = True
    return carried


def _best_capped(instance: Instance, nests: Nests, allowed: Flags, cap: int) -> Flags:
    v, r = instance.preference[0], instance.revenue
    groups = [np.flatnonzero(allowed & (nests.of == g) & (v > 0) & (r > 0)) for g in range(len(nests.dissimilarity))]
    found = [corners_of(v[rows], v[rows] * r[rows], cap) for rows in groups if len(rows) and cap]
    if not found:
        return np.zeros(instance.n, dtype=np.bool_)
    flat = Corners(*(np.concatenate([getattr(c, name) for c in found]) for name in ("size", "V", "W", "slope")))
    nest = np.repeat([g for g, rows in enumerate(groups) if len(rows)], [len(c.size) for c in found]).astype(np.int32)
    sets = _candidates(flat.V, flat.W, nest, nests)

    def pick(z: float) -> I32:
        gain = np.full((len(groups), cap + 1), -np.inf)
        np.maximum.at(gain, (nest, flat.size), sets.money - z * sets.attraction)
        sizes = _share_cap(gain)
        chosen = np.full(len(groups), -1, dtype=np.int32)
        for g in np.flatnonzero(sizes):
            here = np.flatnonzero((nest == g) & (flat.size == sizes[g]))
            chosen[g] = here[np.argmax((sets.money - z * sets.attraction)[here])]
        return chosen

    carried = np.zeros(instance.n, dtype=np.bool_)
    for g, point in enumerate(_climb(pick, sets, float(instance.outside[0]))):
        if point >= 0:
            rows = groups[g]
            carried[rows[members(v[rows], v[rows] * r[rows], int(flat.size[point]), flat.slope[point])]] = True
    return carried


def _share_cap(gain: F64) -> I32:
    """[nests] the size each nest gets, adding up to the cap at most; gain [nests, cap + 1], column 0 = not carried."""
    nests, cap = gain.shape[0], gain.shape[1] - 1
    best = np.zeros(cap + 1)
    taken = np.zeros((nests, cap + 1), dtype=np.int32)
    for g in range(nests):
        options = np.full((cap + 1, cap + 1), -np.inf)  # [size of this nest, cap so far]
        options[0] = best
        for size in range(1, cap + 1):
            options[size, size:] = best[: cap + 1 - size] + gain[g, size]
        taken[g], best = options.argmax(axis=0), options.max(axis=0)
    sizes, room = np.zeros(nests, dtype=np.int32), cap
    for g in range(nests - 1, -1, -1):
        sizes[g] = taken[g, room]
        room -= int(sizes[g])
    return sizes


def _candidates(V: F64, W: F64, of: I32, nests: Nests) -> Candidates:
    attraction = nests.attraction[of] * V ** nests.dissimilarity[of]
    return Candidates(attraction * W / V, attraction)


def _climb(pick: Callable[[float], I32], sets: Candidates, outside: float) -> I32:
    z = -1.0
    chosen, reached = pick(0.0), 0.0
    for _ in range(ROUNDS):
        taken = chosen[chosen >= 0]
        total = outside + float(sets.attraction[taken].sum())
        reached = float(sets.money[taken].sum()) / total if total > 0 else 0.0
        if reached <= z:
            break
        z, best = reached, chosen
        chosen = pick(z)
    return best


def _sum_within(x: F64, start: I32) -> F64:
    """Running sums that begin again in every nest."""
    return np.concatenate([np.cumsum(x[lo:hi]) for lo, hi in pairwise(start)])
