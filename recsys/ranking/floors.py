"""A floor of exposure for every seller, at the least cost in relevance.

The linear programme: maximise the discounted chance of buying over all lists, each seller's exposure being at least
its floor. Given a price per seller the best list of a query is a plain sort by chance + price, so the programme is
solved by making lists until no price asks for another one (column generation: Dantzig & Wolfe 1960), with queries
pooled into GROUPS groups to keep it small. Its prices then rank every query; a slow feedback on what each seller has
got so far settles the ties that prices alone leave open. When no lists can meet the floors the programme says by how
much, and the answer is `infeasible` with the sellers who are short.

n = queries, c = candidates, k = places, s = sellers. Exposure of a place is 1 / log2(1 + rank).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from recsys.contract import F64, I32
from recsys.errors import DataError
from recsys.ranking.rerank import Candidates, discounts
from recsys.ranking.topk import top_k

Status = Literal["ok", "infeasible"]
GROUPS = 25
ROUNDS = 150
SAMPLE = 500  # queries that set the prices
STEPS = 400  # blocks of queries between two looks at who is behind
AHEAD = 1.02  # aim a little above the floor, so that the last places do not decide
PENALTY = 1e3  # price of a missing unit of exposure, in units of the largest chance
TOLERANCE = 0.03  # a floor counts as met within this share of it
SMOOTHING = 0.6  # of the prices between rounds (Wentges 1997): masters alone jump from corner to corner
GAP = 1e-3  # relative distance from the optimum at which prices are good enough


@dataclass(frozen=True)
class Floored:
    """Lists that meet the floors, or come as near as any can."""

    products: I32  # [n, k] padded with -1
    status: Status
    utility: float  # share of the relevance that lists without floors have
    bound: float  # no lists that meet the floors have more (on the sampled queries)
    exposure: F64  # [s] share of all exposure
    before: F64  # [s] the same without floors
    short: I32  # sellers below their floor by more than TOLERANCE of it
    missing: float  # exposure the programme could not find, as a share of all; 0 where the floors can be met
    prices: F64  # [s] sorting other queries by chance + price nearly serves the floors


@dataclass(frozen=True)
class _Problem:
    chance: F64  # [n, c] NaN where padded
    owner: I32  # [n, c] seller of each candidate, 0 where padded
    floors: F64  # [s] exposure, in places
    k: int

    @property
    def scale(self) -> float:
        return max(float(np.nanmax(self.chance)), 1e-12)


class _Worth(NamedTuple):
    """What one list per query is worth, added up by group of queries."""

    utility: F64  # [groups]
    exposure: F64  # [groups, s]


def floor_shares(weight: F64, phi: float) -> F64:
    """[s] floors: phi x each seller's share of `weight` [s], its products (catalogue share) or its sales (merit)."""
    return np.asarray(phi * weight / weight.sum())


def enforce_floors(candidates: Candidates, seller: I32, floors: F64, k: int) -> Floored:
    """Lists of k places in which seller j has at least `floors[j]` of all exposure.

    `seller` [m] row of each product's seller, `floors` [s] shares that add up to at most 1 (DataError otherwise). The
    candidates must hold something of every seller with a floor.
    """
    if not ((floors >= 0) & (floors <= 1)).all() or floors.sum() > 1 + 1e-9:
        raise DataError("Seller floors", got=f"shares adding up to {floors.sum():.3g}", wanted="shares >= 0, 1 at most")
    known = candidates.products >= 0
    owner = np.where(known, seller[candidates.products], 0).astype(np.int32)
    whole = _Problem(np.where(known, candidates.chance, np.nan), owner, floors, k)
    plain = _sort(whole, np.zeros(len(floors)))
    before = _worth(whole, plain, 1)
    total, best = float(before.exposure.sum()), float(before.utility.sum())
    whole = _Problem(whole.chance, owner, floors * total, k)
    prices, bound, missing = _price(_sample(whole))
    columns = _follow(whole, prices)
    after = _worth(whole, columns, 1)
    shares = after.exposure[0] / total
    short = np.flatnonzero(shares < floors * (1 - TOLERANCE)).astype(np.int32)
    chosen = np.take_along_axis(candidates.products, np.maximum(columns, 0).astype(np.int64), axis=1)
    return Floored(
        np.where(columns >= 0, chosen, -1).astype(np.int32),
        "infeasible" if len(short) else "ok",
        float(after.utility[0]) / best if best else 1.0,
        bound,
        shares,
        before.exposure[0] / total,
        short,
        missing,
        prices,
    )


def _sample(problem: _Problem) -> _Problem:
    """Every so-manyth query, floors in proportion."""
    n = len(problem.chance)
    rows = slice(None, None, -(-n // SAMPLE))
    chance = problem.chance[rows]
    return _Problem(chance, problem.owner[rows], problem.floors * len(chance) / n, problem.k)


def _sort(problem: _Problem, prices: F64) -> I32:
    """Candidates [n, k] of the best list of every query at these prices, -1 where nothing is left."""
    return top_k((problem.chance + prices[problem.owner]).astype(np.float32), problem.k)[0]


def _worth(problem: _Problem, columns: I32, groups: int) -> _Worth:
    """Query i belongs to group i mod groups."""
    row, place = np.nonzero(columns >= 0)
    at, worth, s = columns[row, place], discounts(problem.k)[place], len(problem.floors)
    cell = (row % groups) * s + problem.owner[row, at]
    utility = np.bincount(row % groups, weights=problem.chance[row, at] * worth, minlength=groups)
    exposure = np.bincount(cell, weights=worth, minlength=groups * s)
    return _Worth(utility.astype(np.float64), exposure.astype(np.float64).reshape(groups, s))


def _price(problem: _Problem) -> tuple[F64, float, float]:
    """(prices [s], upper bound of the utility, exposure missing), the last two as shares of what no floors give."""
    groups = min(GROUPS, len(problem.chance))
    plain = _worth(problem, _sort(problem, np.zeros(len(problem.floors))), groups)
    pool, ceiling, centre = [plain], np.inf, np.zeros(len(problem.floors))
    while True:
        wanted, value, missing = _master(pool, problem.floors, PENALTY * problem.scale)
        if ceiling - value <= GAP * abs(value) or len(pool) >= ROUNDS:
            break
        prices = SMOOTHING * centre + (1 - SMOOTHING) * wanted
        fresh = _worth(problem, _sort(problem, prices), groups)
        reached = float(fresh.utility.sum() + prices @ (fresh.exposure.sum(axis=0) - problem.floors))
        if reached < ceiling:
            ceiling, centre = reached, prices
        pool.append(fresh)
    best, total = max(float(plain.utility.sum()), 1e-12), float(plain.exposure.sum())
    return centre, min(ceiling / best, 1.0), missing / total if missing > 1e-6 * total else 0.0


def _master(pool: list[_Worth], floors: F64, penalty: float) -> tuple[F64, float, float]:
    """Best mixture of the lists made so far: (prices of exposure [s], its value, exposure missing)."""
    from scipy.optimize import linprog

    groups, s, t = len(pool[0].utility), len(floors), len(pool)
    exposure = np.vstack([lists.exposure for lists in pool])
    one_each = sparse.hstack([sparse.identity(groups)] * t + [sparse.csr_matrix((groups, s))], format="csr")
    found = linprog(
        np.concatenate([-np.concatenate([lists.utility for lists in pool]), np.full(s, penalty)]),
        A_ub=-np.hstack([exposure.T, np.eye(s)]),
        b_ub=-floors,
        A_eq=one_each,
        b_eq=np.ones(groups),
        method="highs",
    )
    return np.maximum(-found.ineqlin.marginals, 0), -float(found.fun), float(found.x[groups * t :].sum())


def _follow(problem: _Problem, prices: F64) -> I32:
    """Sort block after block at the prices, raised for sellers behind their floor and lowered for the others."""
    n, floors = len(problem.chance), problem.floors
    columns = np.full((n, problem.k), -1, dtype=np.int32)
    got, size = np.zeros(len(floors)), -(-n // STEPS)
    unit = np.where(floors > 0, problem.scale / np.maximum(floors, 1e-12), 0.0)
    for start in range(0, n, size):
        rows = slice(start, start + size)
        block = _Problem(problem.chance[rows], problem.owner[rows], floors, problem.k)
        behind = AHEAD * floors * min(1.0, (start + size) / (0.97 * n)) - got
        columns[rows] = _sort(block, np.maximum(prices + behind * unit, 0))
        got += _worth(block, columns[rows], 1).exposure[0]
    return columns
