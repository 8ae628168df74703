"""The best set of one type of visitor when products carry prizes: a certified upper bound in O(n) per grid point.

f(mu) = max over S, |S| <= C, of  w R(S) + sum_{j in S} mu_j,   R(S) = sum_S v r / u,  u = v_0 + sum_S v.

For a fixed u this is a linear programme; with a multiplier theta on u = v_0 + sum v its dual value is

    Phi(theta, u) = theta (u - v_0) + sum of the C largest positive (w v r / u + mu - theta v).

Phi is convex in u, because w v r / u is and a sum of largest positive parts keeps it: on an interval of u it is
never above its larger end. So f <= max over intervals of min over theta of the larger end, whatever grid and thetas
are used; they only decide how tight the bound is. Intervals that hold the maximum are split until it is tight.
Revenues below zero are shifted up to zero: R = sum v (r + s) / u + s v_0 / u - s, again convex in u.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, Flags

RATIO = 1.1  # between neighbouring grid points at first
POINTS = 120  # of a first grid at most
FAN = 9  # thetas tried at once
PASSES = 4
WIDTH = 3  # intervals refined at once


@dataclass(frozen=True)
class Block:
    """One type's problem over n products. Preferences are on any scale that u shares."""

    v: F64  # [n] >= 0
    outside: float  # v_0 > 0
    money: F64  # [n] w v (r + shift) >= 0
    shift: float  # w s
    forced: Flags  # [n]
    cap: int


@dataclass(frozen=True)
class Grid:
    """Intervals of u, and for each the theta its bound was last tightest at."""

    low: F64  # [m]
    high: F64  # [m]
    theta: F64  # [m]
    step: F64  # [m] how far theta is looked for


def grid_of(block: Block) -> Grid:
    """Every u a set of the block can have, in steps of a constant ratio."""
    free = np.sort(block.v[~block.forced])[::-1]
    held = block.outside + float(block.v[block.forced].sum())
    high = held + float(free[: block.cap - int(block.forced.sum())].sum())
    low = held
    points = min(POINTS, 2 + int(np.log(max(high / low, 1.0)) / np.log(RATIO)))
    u = np.geomspace(low, max(high, low * (1 + 1e-9)), points)
    u[0], u[-1] = low, max(high, low * (1 + 1e-9))
    scale = np.sqrt(u[:-1] * u[1:])
    step = 0.1 * float(block.money.max(initial=0.0)) / (scale * max(float(block.v.max(initial=0.0)), 1e-300)) + 1e-300
    return Grid(u[:-1], u[1:], np.zeros(points - 1), step)


@dataclass(frozen=True)
class Bound:
    """f <= value; every set whose u lies in interval i reaches at most `reached[i]`."""

    value: float
    reached: F64  # [m] of the grid that was asked
    mixture: F64  # [n] in [0, 1]: the sets the bound comes from
    grid: Grid  # thetas moved


def bound(block: Block, grid: Grid, prize: F64) -> Bound:
    """The bound of f(prize) over the grid's intervals; -inf when no interval is left."""
    if not len(grid.low):
        return Bound(-np.inf, np.empty(0), np.zeros(len(block.v)), grid)
    reached = np.maximum(_phi(block, prize, grid.theta, grid.low), _phi(block, prize, grid.theta, grid.high))
    theta, step, refined = grid.theta.copy(), grid.step.copy(), np.zeros(len(reached), dtype=np.bool_)
    while True:
        best = reached[refined].max() if refined.any() else -np.inf
        at = np.flatnonzero(~refined & (reached > best))
        if not len(at):
            break
        at = at[np.argsort(-reached[at])[:WIDTH]]
        theta[at], step[at], value = _refine(block, prize, (grid.low[at], grid.high[at]), (theta[at], step[at]))
        reached[at], refined[at] = np.minimum(value, reached[at]), True
    top = int(reached.argmax())
    mixture = _mixture(block, prize, (grid.low[top], grid.high[top]), (theta[top], step[top]))
    return Bound(float(reached[top]), reached, mixture, Grid(grid.low, grid.high, theta, step))


def ceilings(block: Block, grid: Grid, prize: F64) -> F64:
    """float64[n]: upper bounds of f over the sets that carry product j."""
    ceiling = np.full(len(block.v), -np.inf)
    for end in (grid.low, grid.high):
        gain = _gain(block, prize, grid.theta, end)
        least = _least(block, gain)
        value = _constant(block, grid.theta, end) + _top(block, gain)
        carried = value[:, None] + np.where(block.forced, 0.0, np.minimum(gain - least[:, None], 0.0))
        ceiling = np.maximum(ceiling, carried.max(axis=0))
    return ceiling


def _gain(block: Block, prize: F64, theta: F64, u: F64) -> F64:
    return np.asarray(block.money / u[:, None] + prize - theta[:, None] * block.v)


def _constant(block: Block, theta: F64, u: F64) -> F64:
    return theta * (u - block.outside) + block.shift * (block.outside / u - 1.0)


def _phi(block: Block, prize: F64, theta: F64, u: F64) -> F64:
    return _constant(block, theta, u) + _top(block, _gain(block, prize, theta, u))


def _top(block: Block, gain: F64) -> F64:
    """[q] the forced gains and the largest positive others, the cap in all."""
    if not block.forced.any():
        return _largest(gain, block.cap)
    free = np.ascontiguousarray(gain[:, ~block.forced])
    return np.asarray(gain[:, block.forced].sum(axis=1) + _largest(free, block.cap - int(block.forced.sum())))


def _largest(gain: F64, size: int) -> F64:
    n = gain.shape[1]
    if size <= 0:
        return np.zeros(len(gain))
    if size < n:
        gain = np.partition(gain, n - size, axis=1)[:, n - size :]
    return np.asarray(np.maximum(gain, 0.0).sum(axis=1))


def _least(block: Block, gain: F64) -> F64:
    """[q] the gain a further product has to beat to be among the largest."""
    free = gain[:, ~block.forced]
    size, n = block.cap - int(block.forced.sum()), free.shape[1]
    if size <= 0:
        return np.full(len(gain), np.inf)
    return np.zeros(len(gain)) if size >= n else np.maximum(np.partition(free, n - size, axis=1)[:, n - size], 0.0)


def _refine(block: Block, prize: F64, ends: tuple[F64, F64], start: tuple[F64, F64]) -> tuple[F64, F64, F64]:
    """(theta, step, bound) [q]: the larger end, minimised over theta; convex, so a fan of thetas closes in on it."""
    theta, step = start[0].copy(), start[1].copy()
    rows = np.arange(len(theta))
    fan = np.linspace(-1.0, 1.0, FAN)
    low, high = (np.repeat(end, FAN) for end in ends)
    for _ in range(PASSES):
        tried = theta[:, None] + step[:, None] * fan
        flat = tried.ravel()
        value = np.maximum(_phi(block, prize, flat, low), _phi(block, prize, flat, high)).reshape(tried.shape)
        best = value.argmin(axis=1)
        theta = tried[rows, best]
        edge = (best == 0) | (best == FAN - 1)
        step = np.where(edge, step * 4.0, step * (2.0 / (FAN - 1)))
    return theta, np.maximum(step * 4.0, 1e-12 * np.abs(theta)), value[rows, best]


def _mixture(block: Block, prize: F64, ends: tuple[float, float], at: tuple[float, float]) -> F64:
    """[n] in [0, 1]: a subgradient of the bound, the sets on both sides of theta mixed so that u comes out right."""
    theta, step = at
    sides = np.array([theta - step, theta + step])
    value = np.array([_phi(block, prize, sides, np.full(2, end)) for end in ends])  # [end, side]
    u = np.array(ends)[value.argmax(axis=0)]
    sets = np.array([_members(block, gain) for gain in _gain(block, prize, sides, u)], dtype=np.float64)
    slope = u - block.outside - sets @ block.v  # of Phi in theta: <= 0 on the left of the minimum, >= 0 on the right
    left = slope[1] / (slope[1] - slope[0]) if slope[1] > slope[0] else 0.5
    left = min(max(float(left), 0.0), 1.0)
    return np.asarray(left * sets[0] + (1.0 - left) * sets[1])


def _members(block: Block, gain: F64) -> Flags:
    carried = block.forced.copy()
    free = np.flatnonzero(~block.forced & (gain > 0))
    room = block.cap - int(block.forced.sum())
    if len(free) > room:
        free = free[np.argpartition(-gain[free], room - 1)[:room]] if room else free[:0]
    carried[free] = True
    return carried


def split(block: Block, found: Bound, prize: F64, tolerance: float) -> Grid:
    """The interval that holds the maximum cut in two, where its middle lies more than `tolerance` below its ends."""
    if not len(found.reached):
        return found.grid
    grid, top = found.grid, int(found.reached.argmax())
    middle = float(np.sqrt(grid.low[top] * grid.high[top]))
    inside = _phi(block, prize, grid.theta[top : top + 1], np.array([middle]))[0]
    if inside >= found.value - tolerance or grid.high[top] < grid.low[top] * (1 + 1e-7):
        return grid
    low, high = np.append(grid.low, middle), np.append(grid.high, grid.high[top])
    high[top] = middle
    return Grid(low, high, np.append(grid.theta, grid.theta[top]), np.append(grid.step, grid.step[top]))


def keep(grid: Grid, kept: Flags) -> Grid:
    """Some of the intervals."""
    return Grid(grid.low[kept], grid.high[kept], grid.theta[kept], grid.step[kept])
