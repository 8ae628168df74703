"""Local search under any of the choice models: add, delete, then exchange, to a local optimum (ADXOpt, Jagabathula).

The values of all single additions, deletions or exchanges come from one array expression each. Types of visitors are
K, carried products s; an exchange table is [s, n].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.assortment.budget import Budget
from recsys.assortment.instance import Instance, Nests, value
from recsys.assortment.region import Region, matrix
from recsys.assortment.rules import TOLERANCE
from recsys.contract import F64, I32, Flags

STEP = 1e-12  # relative: a smaller gain is rounding, not improvement
ENTRIES = 4_000_000  # of one block of an exchange table
TINY = 1e-300  # keeps 0 / 0, nothing carried and no outside option, at 0


def climb(instance: Instance, region: Region, start: Flags, budget: Budget | None = None) -> tuple[Flags, float]:
    """(set, value): from `start`, which obeys the rules, to a set that no single move improves, or as far as the
    budget lasts."""
    budget = budget or Budget(np.inf)
    carried, money = start.copy(), value(instance, start)
    while True:
        for moves, size in ((_additions, 1), (_deletions, 1), (_exchanges, int(carried.sum()))):
            if not budget.spend(len(instance.weight) * instance.n * max(size, 1)):
                return carried, money
            out, into, reached = moves(instance, region, carried)
            if reached > money + STEP * abs(money):
                carried = _moved(carried, out, into)
                money = value(instance, carried)
                break
        else:
            return carried, money


def _moved(carried: Flags, out: int, into: int) -> Flags:
    moved = carried.copy()
    if out >= 0:
        moved[out] = False
    if into >= 0:
        moved[into] = True
    return moved


Rows = NDArray[np.int_]
Move = tuple[int, int, float]  # (row out or -1, row in or -1, value reached)


def _additions(instance: Instance, region: Region, carried: Flags) -> Move:
    if carried.sum() >= region.cap:
        return -1, -1, -np.inf
    table = _reached(instance, carried, np.array([-1]))
    allowed = ~carried & ~region.barred & _rows_allow(region, carried, np.array([-1]))[0]
    reached = np.where(allowed, table[0], -np.inf)
    into = int(reached.argmax())
    return -1, into, float(reached[into])


def _deletions(instance: Instance, region: Region, carried: Flags) -> Move:
    rows = np.flatnonzero(carried & ~region.forced)
    if not len(rows):
        return -1, -1, -np.inf
    reached = np.where(_rows_allow(region, carried, rows, coming=False)[:, 0], _left(instance, carried, rows), -np.inf)
    return int(rows[reached.argmax()]), -1, float(reached.max())


def _exchanges(instance: Instance, region: Region, carried: Flags) -> Move:
    rows = np.flatnonzero(carried & ~region.forced)
    best: Move = (-1, -1, -np.inf)
    step = max(1, ENTRIES // (instance.n * (1 + len(region.rows))))
    for at in range(0, len(rows), step):
        block = rows[at : at + step]
        allowed = (~carried & ~region.barred)[None, :] & _rows_allow(region, carried, block)
        reached = np.where(allowed, _reached(instance, carried, block), -np.inf)
        out, into = np.unravel_index(int(reached.argmax()), reached.shape)
        if reached[out, into] > best[2]:
            best = (int(block[out]), int(into), float(reached[out, into]))
    return best


def _rows_allow(region: Region, carried: Flags, out: Rows, coming: bool = True) -> Flags:
    """bool[len(out), n]: whether the rows still hold after product out[i] (-1: none) leaves and product j comes;
    [len(out), 1] where none comes."""
    A, low, high = matrix(region)
    if not A.shape[0]:
        return np.ones((len(out), region.n if coming else 1), dtype=np.bool_)
    dense = A.toarray()
    left = np.where(out >= 0, dense[:, out], 0.0)
    more = dense if coming else np.zeros((len(dense), 1))
    load = (dense @ carried)[:, None, None] - left[:, :, None] + more[:, None, :]
    fits = (load >= low[:, None, None] - TOLERANCE) & (load <= high[:, None, None] + TOLERANCE)
    return np.asarray(fits.all(axis=0))


def _left(instance: Instance, carried: Flags, out: Rows) -> F64:
    """float64[len(out)]: value after product out[i] leaves."""
    if instance.nests is not None:
        return np.array([value(instance, _moved(carried, int(row), -1)) for row in out])
    reached = np.zeros(len(out))
    for weight, v, v0 in zip(instance.weight, instance.preference, instance.outside, strict=True):
        money = v * instance.revenue
        total = np.maximum(v0 + v[carried].sum() - v[out], v0)
        reached += weight * (money[carried].sum() - money[out]) / (total + TINY)
    return reached


def _reached(instance: Instance, carried: Flags, out: Rows) -> F64:
    """float64[len(out), n]: value after product out[i] (-1: none) leaves and product j comes."""
    if instance.nests is not None:
        return _reached_nested(instance, instance.nests, carried, out)
    table = np.zeros((len(out), instance.n))
    for weight, v, v0 in zip(instance.weight, instance.preference, instance.outside, strict=True):
        money = v * instance.revenue
        left, left_money = np.where(out >= 0, v[out], 0.0), np.where(out >= 0, money[out], 0.0)
        total = v0 + v[carried].sum() - left
        table += weight * ((money[carried].sum() - left_money)[:, None] + money) / (total[:, None] + v + TINY)
    return table


def _reached_nested(instance: Instance, nests: Nests, carried: Flags, out: Rows) -> F64:
    v, of = instance.preference[0], nests.of
    money = v * instance.revenue
    table = np.empty((len(out), instance.n))
    every = np.arange(len(nests.dissimilarity), dtype=np.int32)
    for i, row in enumerate(out):
        rest = carried if row < 0 else _moved(carried, int(row), -1)
        V, W = (np.bincount(of, np.where(rest, x, 0.0), len(every)).astype(np.float64) for x in (v, money))
        pull, earned = _attraction(nests, every, V, W)
        pull_more, earned_more = _attraction(nests, of, V[of] + v, W[of] + money)
        total = instance.outside[0] + pull.sum() - pull[of] + pull_more
        table[i] = (earned.sum() - earned[of] + earned_more) / (total + TINY)
    return table


def _attraction(nests: Nests, nest: I32, V: F64, W: F64) -> tuple[F64, F64]:
    """(a V^gamma, a V^gamma W / V) of sets in the given nests, 0 where V is 0."""
    some = V > 0
    power = np.where(some, nests.attraction[nest] * np.where(some, V, 1.0) ** nests.dissimilarity[nest], 0.0)
    return power, power * np.divide(W, V, out=np.zeros_like(V), where=some)
