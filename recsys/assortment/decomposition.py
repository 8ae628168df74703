"""A certified upper bound for mixed logit, by giving every type of visitor a set of its own.

    max_S sum_k w_k R_k(S)  <=  sum_k max_{S_k} [ w_k R_k(S_k) + mu_k(S_k) ] + max_{S_0 obeys the rules} mu_0(S_0)

whenever the prizes mu add up to zero over the blocks for every product: the sets may differ, the prizes pull them
together (Lagrangian decomposition, Guignard and Kim 1987). Each block is bounded by `envelope`, the prizes move along
subgradients with Polyak steps, and what cannot beat the best set known is dropped for good: products, and ranges of
u_k = v_0k + sum v_k. What gap remains is closed by branching on ranges of u_k, then on products.
"""

from __future__ import annotations

import dataclasses
import heapq
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from recsys.assortment import envelope, mnl, search
from recsys.assortment.budget import Budget
from recsys.assortment.envelope import Blocks, Bounds, Grid
from recsys.assortment.instance import Instance, single, value
from recsys.assortment.region import Region, matrix
from recsys.contract import F64, I32, Flags

ROOT_ROUNDS = 1500
NODE_ROUNDS = 60
PATIENCE = 20  # rounds without progress before the target is brought nearer
STRAY = 20.0  # targets a bound may lie above the best one before the steps turn back to it
SETTLED = 0.1  # of the gap: the prizes are left alone when less is within reach
SPLIT = 0.05  # of the gap, shared by the blocks: a range is cut when its bound may be this much too high
NARROW = 1.3  # high / low of a range of u that is not cut while the blocks divide a product
DROP_EVERY = 10
CLIMB_EVERY = 40


@dataclass(frozen=True)
class Node:
    """A part of the region: products still possible, ranges of every u_k still possible, and prizes to start from."""

    rows: I32  # [m] products that may be carried
    forced: Flags  # [n]
    prize: F64  # [blocks, m], adds up to 0 over the blocks
    grid: Grid | None  # None: every range
    bound: float = np.inf


@dataclass
class Best:
    """The best set known, and the value a set must exceed to be looked for."""

    carried: Flags
    value: float
    tolerance: float

    @property
    def cutoff(self) -> float:
        return self.value + self.tolerance * abs(self.value)


@dataclass
class Descent:
    """Steps on the prizes towards `reach` below the best bound so far, a target that follows what can be reached
    (Polyak's step with the level of Goffin and Kiwiel 1999)."""

    prize: F64
    kept: F64  # the prizes of the best bound
    bound: float = np.inf
    reach: float = np.inf
    idle: int = 0
    direction: F64 | None = None

    def note(self, money: float, floor: float) -> None:
        """Take the bound the present prizes give; no bound lies below `floor`, the best value known."""
        self.reach = min(self.reach, max(money - floor, 0.0))
        self.idle += 1
        if money < self.bound - 0.3 * self.reach:
            self.reach, self.idle = self.reach * 1.5, 0
        if money < self.bound:
            self.bound, self.kept = money, self.prize
        self.reach = min(self.reach, max(self.bound - floor, 0.0))

    def move(self, away: F64, money: float) -> None:
        """One step against the subgradient, bent so that it does not undo the one before (Camerini et al. 1975)."""
        if self.idle >= PATIENCE or money > self.bound + STRAY * self.reach:
            self.reach, self.idle, self.prize, self.direction = self.reach / 2, 0, self.kept, None
            return
        if self.direction is not None:
            back = float((away * self.direction).sum())
            away = away - 1.5 * min(back, 0.0) / max(float((self.direction**2).sum()), 1e-300) * self.direction
        self.direction = away
        step = (money - self.bound + self.reach) / max(float((away**2).sum()), 1e-9)
        self.prize = self.prize - step * away

    def take(self, columns: Flags) -> None:
        """Some of the products."""
        self.prize, self.kept = self.prize[:, columns], self.kept[:, columns]
        self.direction = None if self.direction is None else self.direction[:, columns]


def certify(
    instance: Instance, region: Region, carried: Flags, tolerance: float, budget: Budget
) -> tuple[float, Flags]:
    """(upper bound of the optimum, a set at least as good as `carried`).

    Stops when the bound is within `tolerance` (relative) of the best set, or when the budget is used up.
    """
    best = Best(carried, value(instance, carried), tolerance)
    root = _root(instance, region, carried)
    queue = [(-root.bound, 0, root)]
    made = 1
    while -queue[0][0] > best.cutoff and budget.lasts():
        node = heapq.heappop(queue)[2]
        node, middle = _settle(instance, region, node, best, (ROOT_ROUNDS if made == 1 else NODE_ROUNDS, budget))
        children = _branch(instance, region, node, middle) if node.bound > best.cutoff else []
        for child in children:
            heapq.heappush(queue, (-node.bound, made, child))
            made += 1
        if not queue:
            return float(best.cutoff), best.carried
    return float(max(best.cutoff, -queue[0][0])), best.carried


def _root(instance: Instance, region: Region, carried: Flags) -> Node:
    """All products that are not barred, all ranges, and the prizes at which each type is content with `carried`."""
    rows = np.flatnonzero(~region.barred).astype(np.int32)
    v, r = instance.preference, instance.revenue
    u = (_outside(instance) + v[:, carried].sum(axis=1))[:, None]
    money = ((v * r)[:, carried].sum(axis=1))[:, None]
    added = (money + v * r) / (u + v) - money / u
    left = np.maximum(u - v, _outside(instance)[:, None])
    gain = instance.weight[:, None] * np.where(carried, money / u - (money - v * r) / left, added)[:, rows]
    prize = gain.mean(axis=0) - gain
    if region.rows:  # the block of the rules starts without prizes
        prize = np.vstack([prize, np.zeros(len(rows))])
    return Node(rows, region.forced, prize, None, _single_bound(instance, region))


def _single_bound(instance: Instance, region: Region) -> float:
    """Every type with the best set of its own, rules beside the cap and the fixed products left out."""
    loose = dataclasses.replace(region, rows=())
    parts = [single(instance, k) for k in range(len(instance.weight))]
    best = [value(part, mnl.best_set(part, loose)) for part in parts]
    return float(instance.weight @ np.array(best))


def _outside(instance: Instance) -> F64:
    """Outside preferences, never quite 0: a set nobody of a type wants then earns 0 from it, as it should."""
    some = np.where(instance.preference > 0, instance.preference, np.inf).min(axis=1)
    return np.maximum(instance.outside, np.where(np.isfinite(some), 1e-9 * some, 1.0))


def _blocks(instance: Instance, region: Region, node: Node) -> Blocks:
    shift = max(0.0, -float(instance.revenue[node.rows].min(initial=0.0)))
    v = instance.preference[:, node.rows]
    money = instance.weight[:, None] * v * (instance.revenue[node.rows] + shift)
    cap = min(region.cap, len(node.rows))
    return Blocks(v, _outside(instance), money, instance.weight * shift, node.forced[node.rows], cap)


def _settle(instance: Instance, region: Region, node: Node, best: Best, limits: tuple[int, Budget]) -> tuple[Node, F64]:
    """The node with its best bound and what is left of it, and each product's average part in the blocks' sets."""
    rounds, budget = limits
    blocks, descent = _blocks(instance, region, node), Descent(node.prize, node.prize)
    grid = envelope.grid_of(blocks) if node.grid is None else node.grid
    types, middle = len(blocks.v), np.zeros(len(node.rows))
    for step in range(rounds):
        found = envelope.bounds(blocks, grid, descent.prize[:types])
        rules, part = _best_of_rules(region, node, descent.prize)
        money = float(found.value.sum()) + rules
        descent.note(money, best.value)
        settled = descent.reach < SETTLED * (descent.bound - best.value)
        if descent.bound <= best.cutoff or settled or not budget.spend(envelope.entries(blocks, grid)):
            break
        grid = _narrowed(blocks, found, descent.prize[:types], (money - best.cutoff, money - best.value))
        sets = np.vstack([found.mixture, *part])
        middle = sets.mean(axis=0) if step == 0 else 0.9 * middle + 0.1 * sets.mean(axis=0)
        if step % CLIMB_EVERY == CLIMB_EVERY // 2:
            _climb(instance, region, node, middle, (best, budget))
        descent.move(sets - sets.mean(axis=0), money)
        if step % DROP_EVERY == DROP_EVERY - 1:
            ceiling = envelope.ceilings(blocks, grid, descent.prize[:types]).sum(axis=0)
            ceiling += _best_of_rules(region, node, descent.prize)[0]
            possible = (ceiling >= best.cutoff) | node.forced[node.rows]
            if possible.mean() < 0.9 and possible.any():
                node = dataclasses.replace(node, rows=node.rows[possible])
                blocks, middle = _blocks(instance, region, node), middle[possible]
                descent.take(possible)
    bound = min(descent.bound, node.bound)
    return dataclasses.replace(node, prize=descent.kept, grid=grid, bound=bound), middle


def _narrowed(blocks: Blocks, found: Bounds, prize: F64, over: tuple[float, float]) -> Grid:
    """Ranges of u that cannot beat the cutoff dropped, the ranges at the maxima cut in two; `over` = the bound's
    excess over the cutoff and over the best value."""
    grid = envelope.split(blocks, found, prize, SPLIT * over[1] / len(blocks.v))
    possible = np.ones(len(grid.of), dtype=np.bool_)
    possible[: len(found.reached)] = found.reached >= found.value[found.grid.of] - over[0]
    return grid.take(possible)


def _best_of_rules(region: Region, node: Node, prize: F64) -> tuple[float, list[F64]]:
    """(max of the last prizes over sets that obey the rules, its set), relaxed to fractions; nothing without rows."""
    if not region.rows:
        return 0.0, []
    A, low, high = matrix(region)
    forced = node.forced[node.rows].astype(np.float64)
    A = A[:, node.rows].toarray()
    finite_low, finite_high = np.isfinite(low), np.isfinite(high)
    above = np.vstack([A[finite_high], -A[finite_low], np.ones((1, len(node.rows)))])
    limit = np.concatenate([high[finite_high], -low[finite_low], [region.cap]])
    bounds = np.column_stack([forced, np.ones_like(forced)])
    solved = optimize.linprog(-prize[-1], A_ub=above, b_ub=limit, bounds=bounds, method="highs")
    if solved.x is None:  # no set of this node obeys the rules
        return -np.inf, [forced]
    return -float(solved.fun) + 1e-9 * float(np.abs(prize[-1]).sum()), [np.asarray(solved.x)]


def _climb(instance: Instance, region: Region, node: Node, middle: F64, goal: tuple[Best, Budget]) -> None:
    """Local search from the products most blocks want."""
    best, budget = goal
    likely = node.rows[np.argsort(-middle, kind="stable")[: region.cap]]
    carried = region.forced.copy()
    carried[likely[: region.cap - int(carried.sum())]] = True
    if region.allows(carried):
        carried, money = search.climb(instance, region, carried, budget)
        if money > best.value:
            best.carried, best.value = carried, money


def _branch(instance: Instance, region: Region, node: Node, middle: F64) -> list[Node]:
    """Two nodes that share the sets of this one: the range of one u_k cut, or one product in and out.

    Cut is the range of the type whose bound lies furthest above its money at the blocks' average set; once all
    ranges are narrow, the product most divided between the blocks.
    """
    assert node.grid is not None
    blocks, grid = _blocks(instance, region, node), node.grid
    types, u = len(blocks.v), blocks.outside + blocks.v @ middle
    found = envelope.bounds(blocks, grid, node.prize[:types])
    money = blocks.money @ middle / u + blocks.shift * (blocks.outside / u - 1)
    loose = found.value - node.prize[:types] @ middle - money
    low, high = np.full(types, np.inf), np.zeros(types)
    np.minimum.at(low, grid.of, grid.low)
    np.maximum.at(high, grid.of, grid.high)
    wide = high > low * NARROW
    k = int(np.where(wide, loose, -np.inf).argmax())
    divided = np.where(node.forced[node.rows], 0.0, np.minimum(middle, 1 - middle))
    j = int(divided.argmax())
    if wide[k] or divided[j] == 0:
        return _cut_range(node, k, float(np.clip(u[k], *_inner(low[k], high[k]))))
    return _cut_product(node, j)


def _inner(low: float, high: float) -> tuple[float, float]:
    """The middle six tenths of a range, on the log scale."""
    return low**0.8 * high**0.2, low**0.2 * high**0.8


def _cut_range(node: Node, k: int, at: float) -> list[Node]:
    assert node.grid is not None
    grid, mine = node.grid, node.grid.of == k
    low, high = np.where(mine, np.maximum(grid.low, at), grid.low), np.where(mine, np.minimum(grid.high, at), grid.high)
    parts = (dataclasses.replace(grid, high=high), dataclasses.replace(grid, low=low))
    return [dataclasses.replace(node, grid=part.take(part.low < part.high)) for part in parts]


def _cut_product(node: Node, j: int) -> list[Node]:
    forced, rest = node.forced.copy(), np.arange(len(node.rows)) != j
    forced[node.rows[j]] = True
    without = dataclasses.replace(node, rows=node.rows[rest], prize=node.prize[:, rest])
    return [dataclasses.replace(node, forced=forced), without]
