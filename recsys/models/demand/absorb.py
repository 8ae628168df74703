"""Fixed effects without dummies: alternating projections on the levels of each effect (Guimaraes and Portugal 2010)."""

from __future__ import annotations

import numpy as np

from recsys.contract import F64, I32
from recsys.errors import FitError

TOLERANCE = 1e-11  # of a column's standard deviation
MAX_SWEEPS = 20_000


def residualise(columns: F64, effects: tuple[I32, ...], weight: F64 | None = None) -> F64:
    """[n, k] each column less its best sum of level effects; effects are int32[n], levels 0.. and none empty."""
    if not effects:
        return columns
    return np.column_stack([decompose(c, effects, weight)[0] for c in columns.T]) if columns.size else columns


def decompose(values: F64, effects: tuple[I32, ...], weight: F64 | None = None) -> tuple[F64, tuple[F64, ...]]:
    """(what is left [n], value of each level of each effect): values = sum of effects + rest, rest averages 0.

    All but the first effect average 0 over rows. Raises FitError when the sweeps do not settle.
    """
    mass = np.ones(len(values)) if weight is None else weight
    totals = [np.maximum(np.bincount(e, mass), 1e-300) for e in effects]
    levels = [np.zeros(len(t)) for t in totals]
    rest = values.astype(np.float64, copy=True)
    enough = TOLERANCE * max(float(values.std()), 1e-300) if len(values) else 0.0
    for _ in range(MAX_SWEEPS):
        moved = 0.0
        for effect, total, level in zip(effects, totals, levels, strict=True):
            step = np.bincount(effect, mass * rest, minlength=len(total)) / total
            level += step
            rest -= step[effect]
            moved = max(moved, float(np.abs(step).max(initial=0.0)))
        if moved <= enough or len(effects) == 1:
            return rest, _centred(levels, effects, mass)
    raise FitError(
        "Fixed effects",
        got=f"a change of {moved:.1e} after {MAX_SWEEPS:,} sweeps",
        wanted=f"less than {enough:.1e}",
        cure="The levels are hardly connected: absorb fewer effects.",
    )


def _centred(levels: list[F64], effects: tuple[I32, ...], mass: F64) -> tuple[F64, ...]:
    for level, effect in zip(levels[1:], effects[1:], strict=True):
        mean = float((mass * level[effect]).sum() / mass.sum())
        level -= mean
        levels[0] += mean
    return tuple(levels)
