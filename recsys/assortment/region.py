"""The sets that obey the rules, and the best of them for a sum of gains.

Maximise sum(gain * carried) over the region. Without group, space or budget rules this is a top-C selection in O(n);
otherwise a small integer programme for HiGHS. Every exact solver of this room asks only this question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from recsys.assortment.rules import Rule
from recsys.contract import F64, Flags, Rows
from recsys.errors import UsageError


@dataclass(frozen=True)
class Region:
    """Rules sorted by kind: products fixed in or out, the cap, and everything else as rows."""

    forced: Flags  # [n]
    barred: Flags  # [n]
    cap: int
    rows: tuple[Rule, ...] = ()

    @property
    def n(self) -> int:
        return len(self.forced)

    def allows(self, carried: Flags) -> bool:
        """Whether a set obeys every rule."""
        fixed = not (self.barred & carried).any() and not (self.forced & ~carried).any()
        return bool(fixed and carried.sum() <= self.cap and all(rule.kept(carried) for rule in self.rows))


def region_of(rules: Sequence[Rule], n: int) -> Region:
    """Sort rules by kind; raises UsageError, naming the rules in conflict, when no set obeys them all."""
    region = _sorted(rules, n)
    if not _possible(region):
        names = [rule.name for rule in _conflict(list(rules), n)]
        raise UsageError(
            "No set of products obeys all rules", got="; ".join(f"'{name}'" for name in names) + " together",
            wanted="rules that can hold together", cure="Loosen or drop one of them.",
        )  # fmt: skip
    return region


def choose(region: Region, gain: F64) -> Flags:
    """bool[n]: the set of the region with the largest sum of `gain` (float64[n]); products of no gain stay out."""
    if region.rows:
        return _choose_by_milp(region, gain)
    return _choose_top(region, gain)


def matrix(region: Region) -> tuple[Rows, F64, F64]:
    """(A [rows, n] csr, low, high) of the rows that are neither a bound nor the cap."""
    data = [rule.amount for rule in region.rows]
    columns = [rule.rows for rule in region.rows]
    start = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    shape = (len(region.rows), region.n)
    if not region.rows:
        return sparse.csr_matrix(shape), np.empty(0), np.empty(0)
    A = sparse.csr_matrix((np.concatenate(data), np.concatenate(columns), start), shape=shape)
    return A, np.array([r.low for r in region.rows]), np.array([r.high for r in region.rows])


def _sorted(rules: Sequence[Rule], n: int) -> Region:
    forced, barred, cap = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_), n
    rows = []
    for rule in rules:
        ones = bool((rule.amount == 1).all())
        if ones and rule.high < 1 and rule.low <= 0:
            barred[rule.rows] = True
        elif ones and len(rule.rows) == 1 and 0 < rule.low <= 1 <= rule.high:
            forced[rule.rows] = True
        elif ones and len(rule.rows) == n and rule.low <= 0:
            cap = min(cap, int(np.floor(rule.high)))
        else:
            rows.append(rule)
    return Region(forced, barred, cap, tuple(rows))


def _possible(region: Region) -> bool:
    if (region.forced & region.barred).any() or region.forced.sum() > region.cap:
        return False
    if not region.rows or region.allows(region.forced):
        return True
    return _milp(region, np.zeros(region.n)) is not None


def _conflict(rules: list[Rule], n: int) -> list[Rule]:
    """A smallest-by-inclusion set of rules that cannot hold together (deletion filter)."""
    kept = list(rules)
    for rule in rules:
        without = [other for other in kept if other is not rule]
        if not _possible(_sorted(without, n)):
            kept = without
    return kept


def _choose_top(region: Region, gain: F64) -> Flags:
    carried = region.forced.copy()
    room = region.cap - int(region.forced.sum())
    wanted = np.flatnonzero((gain > 0) & ~region.barred & ~region.forced)
    if room < len(wanted):
        wanted = wanted[np.argpartition(-gain[wanted], max(room - 1, 0))[:room]]
    carried[wanted] = True
    return carried


def _choose_by_milp(region: Region, gain: F64) -> Flags:
    carried = _milp(region, gain)
    if carried is None:  # region_of has checked that the region is not empty
        raise UsageError(
            "The integer programme over the rules ended without a set", cure="Raise the time limit or drop rules."
        )
    return carried


def _milp(region: Region, gain: F64) -> Flags | None:
    A, low, high = matrix(region)
    n = region.n
    scale = float(np.abs(gain).max()) or 1.0
    cap = optimize.LinearConstraint(sparse.csr_matrix(np.ones((1, n))), -np.inf, region.cap)
    rows = [optimize.LinearConstraint(A, low, high)] if A.shape[0] else []
    solved = optimize.milp(
        -gain * (1e3 / scale),  # HiGHS's tolerances are absolute: on this scale they are 1e-10 of the largest gain
        integrality=np.ones(n),
        bounds=optimize.Bounds(region.forced.astype(float), 1.0 - region.barred.astype(float)),
        constraints=[cap, *rows],
        options={"mip_rel_gap": 0.0},
    )
    return None if solved.x is None else np.asarray(solved.x > 0.5, dtype=np.bool_)
