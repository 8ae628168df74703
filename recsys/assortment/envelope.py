"""The best set of each type of visitor when products carry prizes: certified upper bounds in O(n) per grid point.

f_k(mu) = max over S, |S| <= C, of  w R(S) + sum_{j in S} mu_j,   R(S) = sum_S v r / u,  u = v_0 + sum_S v.

For a fixed u this is a linear programme; with a multiplier theta on u = v_0 + sum v its dual value is

    Phi(theta, u) = theta (u - v_0) + sum of the C largest positive (w v r / u + mu - theta v).

Phi is convex in u, because w v r / u is and a sum of largest positive parts keeps it: on an interval of u it is
never above its larger end. So f <= max over intervals of min over theta of the larger end, whatever grid and thetas
are used; they only decide how tight the bound is. Intervals that hold the maximum are split until it is tight.
Revenues below zero are shifted up to zero: R = sum v (r + s) / u + s v_0 / u - s, again convex in u.
All types are worked on together: K types, m intervals of all of them, n products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, Flags

RATIO = 1.1  # between neighbouring grid points at first
POINTS = 120  # of a first grid of one type at most
FAN = 9  # thetas tried at once
PASSES = 4
WIDTH = 3  # intervals of a type refined at once
ENTRIES = 2_000_000  # of one block of a gain table


@dataclass(frozen=True)
class Blocks:
    """The types' problems over the same products. Preferences of a type are on any scale that its u shares."""

    v: F64  # [K, n] >= 0
    outside: F64  # [K] v_0 > 0
    money: F64  # [K, n] w v (r + s) >= 0
    shift: F64  # [K] w s
    forced: Flags  # [n]
    cap: int


@dataclass(frozen=True)
class Grid:
    """Intervals of u, and for each the theta its bound was last tightest at."""

    of: I32  # [m] type
    low: F64  # [m]
    high: F64  # [m]
    theta: F64  # [m]
    step: F64  # [m] how far theta is looked for

    def take(self, rows: I32 | Flags) -> Grid:
        """Some of the intervals."""
        return Grid(self.of[rows], self.low[rows], self.high[rows], self.theta[rows], self.step[rows])


@dataclass(frozen=True)
class Bounds:
    """f_k <= value[k], -inf where a type has no interval left; a set with u_k in interval i reaches <= reached[i]."""

    value: F64  # [K]
    reached: F64  # [m] of the grid that was asked
    top: I32  # [K] the interval behind the value, -1 for none
    mixture: F64  # [K, n] in [0, 1]: the sets the bounds come from
    grid: Grid  # thetas moved


def grid_of(blocks: Blocks) -> Grid:
    """Every u a set can have, in steps of a constant ratio."""
    room = blocks.cap - int(blocks.forced.sum())
    held = blocks.outside + blocks.v[:, blocks.forced].sum(axis=1)
    high = held + _largest(blocks.v[:, ~blocks.forced], room)
    parts = []
    for k, (lo, hi) in enumerate(zip(held, np.maximum(high, held * (1 + 1e-9)), strict=True)):
        points = min(POINTS, 2 + int(np.log(hi / lo) / np.log(RATIO)))
        u = np.geomspace(lo, hi, points)
        u[0], u[-1] = lo, hi
        parts.append((np.full(points - 1, k, dtype=np.int32), u[:-1], u[1:]))
    of, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    size = blocks.money.max(axis=1, initial=0.0) / np.maximum(blocks.v.max(axis=1, initial=0.0), 1e-300)
    return Grid(of, low, high, np.zeros(len(of)), 0.1 * size[of] / np.sqrt(low * high) + 1e-300)


def bounds(blocks: Blocks, grid: Grid, prize: F64) -> Bounds:
    """The bounds of f_k(prize[k]) over the grid's intervals; prize [K, n]."""
    reached = np.maximum(*(_phi(blocks, prize, grid.of, grid.theta, end) for end in (grid.low, grid.high)))
    theta, step, refined = grid.theta.copy(), grid.step.copy(), np.zeros(len(reached), dtype=np.bool_)
    while len(at := _promising(grid.of, reached, refined, len(blocks.v))):
        found = _refine(blocks, prize, grid.take(at), (theta[at], step[at]))
        theta[at], step[at] = found[0], found[1]
        reached[at], refined[at] = np.minimum(found[2], reached[at]), True
    moved = Grid(grid.of, grid.low, grid.high, theta, step)
    top = _best_rows(grid.of, reached, len(blocks.v))
    value = np.where(top >= 0, reached[top] if len(reached) else 0.0, -np.inf)
    return Bounds(value, reached, top, _mixtures(blocks, prize, moved, top), moved)


def entries(blocks: Blocks, grid: Grid) -> int:
    """About how many table entries `bounds` fills: both ends of every interval, and one refinement of each type."""
    return int(2 * blocks.v.shape[1] * (len(grid.of) + len(blocks.v) * WIDTH * FAN * PASSES))


def ceilings(blocks: Blocks, grid: Grid, prize: F64) -> F64:
    """float64[K, n]: upper bounds of f_k over the sets that carry product j."""
    ceiling = np.full(blocks.v.shape, -np.inf)
    for at in _chunks(len(grid.of), blocks.v.shape[1]):
        for end in (grid.low[at], grid.high[at]):
            of, theta = grid.of[at], grid.theta[at]
            gain = _gain(blocks, prize, of, theta, end)
            value = _constant(blocks, of, theta, end) + _top(blocks, gain)
            missed = np.where(blocks.forced, 0.0, np.minimum(gain - _least(blocks, gain)[:, None], 0.0))
            np.maximum.at(ceiling, of, value[:, None] + missed)
    return ceiling


def split(blocks: Blocks, found: Bounds, prize: F64, tolerance: float) -> Grid:
    """The found grid, with the intervals behind the values cut in two where their middle lies more than `tolerance`
    below their ends; the second halves come last."""
    grid, top = found.grid, found.top[found.top >= 0]
    middle = np.sqrt(grid.low[top] * grid.high[top])
    inside = _phi(blocks, prize, grid.of[top], grid.theta[top], middle)
    cut = (inside < found.reached[top] - tolerance) & (grid.high[top] > grid.low[top] * (1 + 1e-7))
    top, middle = top[cut], middle[cut]
    second, high = grid.take(top), grid.high.copy()
    high[top] = middle
    return Grid(
        np.append(grid.of, second.of), np.append(grid.low, middle), np.append(high, second.high),
        np.append(grid.theta, second.theta), np.append(grid.step, second.step),
    )  # fmt: skip


def _gain(blocks: Blocks, prize: F64, of: I32, theta: F64, u: F64) -> F64:
    """[q, n] what carrying a product adds, for rows of a type, a theta and a u each."""
    gain = blocks.money[of]
    gain /= u[:, None]
    gain += prize[of]
    gain -= theta[:, None] * blocks.v[of]
    return gain


def _constant(blocks: Blocks, of: I32, theta: F64, u: F64) -> F64:
    return theta * (u - blocks.outside[of]) + blocks.shift[of] * (blocks.outside[of] / u - 1.0)


def _phi(blocks: Blocks, prize: F64, of: I32, theta: F64, u: F64) -> F64:
    top = np.empty(len(of))
    for at in _chunks(len(of), blocks.v.shape[1]):
        top[at] = _top(blocks, _gain(blocks, prize, of[at], theta[at], u[at]))
    return _constant(blocks, of, theta, u) + top


def _chunks(rows: int, n: int) -> list[slice]:
    size = max(1, ENTRIES // max(n, 1))
    return [slice(at, at + size) for at in range(0, rows, size)]


def _top(blocks: Blocks, gain: F64) -> F64:
    """[q] the forced gains and the largest positive others, the cap in all."""
    if not blocks.forced.any():
        return _largest(gain, blocks.cap)
    room = blocks.cap - int(blocks.forced.sum())
    return np.asarray(gain[:, blocks.forced].sum(axis=1) + _largest(gain[:, ~blocks.forced], room))


def _largest(gain: F64, size: int) -> F64:
    n = gain.shape[1]
    if size <= 0:
        return np.zeros(len(gain))
    if size < n:
        gain = np.partition(gain, n - size, axis=1)[:, n - size :]
    return np.asarray(np.maximum(gain, 0.0).sum(axis=1))


def _least(blocks: Blocks, gain: F64) -> F64:
    """[q] the gain a further product has to beat to be among the largest."""
    free = gain[:, ~blocks.forced]
    size, n = blocks.cap - int(blocks.forced.sum()), free.shape[1]
    if size <= 0:
        return np.full(len(gain), np.inf)
    return np.zeros(len(gain)) if size >= n else np.maximum(np.partition(free, n - size, axis=1)[:, n - size], 0.0)


def _best_rows(of: I32, reached: F64, types: int) -> I32:
    """[K] the interval of each type that reaches most, -1 for none."""
    order = np.lexsort((-reached, of))
    first = np.searchsorted(of[order], np.arange(types))
    some = np.bincount(of, minlength=types) > 0
    top = np.full(types, -1, dtype=np.int32)
    top[some] = order[first[some]]
    return top


def _promising(of: I32, reached: F64, refined: Flags, types: int) -> I32:
    """Of each type, the best few intervals not refined yet that may exceed its best refined one."""
    best = np.full(types, -np.inf)
    np.maximum.at(best, of[refined], reached[refined])
    rows = np.flatnonzero(~refined & (reached > best[of]))
    rows = rows[np.lexsort((-reached[rows], of[rows]))]
    place = np.arange(len(rows)) - np.searchsorted(of[rows], of[rows])
    return rows[place < WIDTH].astype(np.int32)


def _refine(blocks: Blocks, prize: F64, part: Grid, start: tuple[F64, F64]) -> tuple[F64, F64, F64]:
    """(theta, step, bound) [q]: the larger end, minimised over theta; convex, so a fan of thetas closes in on it."""
    theta, step = start[0].copy(), start[1].copy()
    rows, fan = np.arange(len(theta)), np.linspace(-1.0, 1.0, FAN)
    of, low, high = np.repeat(part.of, FAN), np.repeat(part.low, FAN), np.repeat(part.high, FAN)
    for _ in range(PASSES):
        tried = theta[:, None] + step[:, None] * fan
        flat = tried.ravel()
        ends = np.maximum(_phi(blocks, prize, of, flat, low), _phi(blocks, prize, of, flat, high))
        value = ends.reshape(tried.shape)
        best = value.argmin(axis=1)
        theta = tried[rows, best]
        edge = (best == 0) | (best == FAN - 1)
        step = np.where(edge, step * 4.0, step * (2.0 / (FAN - 1)))
    return theta, np.maximum(step * 4.0, 1e-12 * np.abs(theta)), value[rows, best]


def _mixtures(blocks: Blocks, prize: F64, grid: Grid, top: I32) -> F64:
    """[K, n] in [0, 1]: subgradients of the bounds, the sets on both sides of theta mixed so that u comes out right."""
    mixture, some = np.zeros(blocks.v.shape), np.flatnonzero(top >= 0).astype(np.int32)
    part = grid.take(top[some])
    sets, slope = [], []
    for side in (part.theta - part.step, part.theta + part.step):
        ends = np.array([_phi(blocks, prize, some, side, end) for end in (part.low, part.high)])
        u = np.where(ends[0] >= ends[1], part.low, part.high)
        carried = _members(blocks, _gain(blocks, prize, some, side, u))
        sets.append(carried)
        slope.append(u - blocks.outside[some] - (carried * blocks.v[some]).sum(axis=1))  # of Phi in theta
    rise = slope[1] - slope[0]  # the minimum lies where the slope passes 0
    left = np.clip(np.divide(slope[1], rise, out=np.full(len(some), 0.5), where=rise > 0), 0.0, 1.0)[:, None]
    mixture[some] = left * sets[0] + (1.0 - left) * sets[1]
    return mixture


def _members(blocks: Blocks, gain: F64) -> F64:
    """[q, n] 1 for the forced products and the largest positive others."""
    gain = np.where(blocks.forced, np.inf, gain)
    size, n = min(blocks.cap, gain.shape[1]), gain.shape[1]
    carried = np.ones(gain.shape) if size == n else np.zeros(gain.shape)
    if 0 < size < n:
        np.put_along_axis(carried, np.argpartition(-gain, size - 1, axis=1)[:, :size], 1.0, axis=1)
    return np.where(gain > 0, carried, 0.0)
