"""What was shown, with which probability, and what came of it: the one log that every estimate here reads.

n = exposures, d = context columns. A probability without a log entry cannot be recovered later, so a log without
propensities is refused here and never repaired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import F64, I32, I64, Flags, Index
from recsys.errors import DataError, EmptyError


@dataclass(frozen=True)
class Exposures:
    """n exposures; raises DataError where a value could not have happened.

    Two rows with the same visitor (slate) key belong to the same visitor (slate); keys are row numbers of an index or
    stable hashes of ids, only equality is used.
    """

    time: I64  # [n] epoch seconds, UTC
    visitor: I64  # [n] key
    surface: I32  # [n] row of `surfaces`
    slate: I64  # [n] key
    position: I32  # [n] 1 = top
    propensity: F64  # [n] in (0, 1]: probability of this arm here, given the arms above it in its slate
    arm: I32  # [n] row of `arms`
    outcome: F64  # [n] >= 0: click, units or money
    arms: Index
    surfaces: Index
    context: F64 | None = None  # [n, d] what was known before the arm was drawn, as numbers

    def __post_init__(self) -> None:
        check({name: getattr(self, name) for name in _columns(self)}, len(self.arms), "Exposures")

    def __len__(self) -> int:
        return len(self.arm)

    def take(self, rows: I64 | Flags | slice) -> Exposures:
        """The given rows, in the given order."""
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in _columns(self)}
        return replace(self, **taken)


def of_arrays(
    arm: Any, propensity: Any, outcome: Any, *, position: Any = None, arms: Sequence[object] | None = None, **more: Any
) -> Exposures:
    """Exposures from plain arrays; what is left out is one surface, one position, every row its own slate and visitor.

    `arm` holds row numbers of `arms` (default: 0 .. max). Raises DataError as `Exposures` does.
    """
    rows = np.asarray(arm, dtype=np.int32)
    names = np.array([str(a) for a in (range(int(rows.max(initial=-1)) + 1) if arms is None else arms)], dtype=object)
    own = np.arange(len(rows), dtype=np.int64)
    return Exposures(
        time=np.asarray(more.get("time", own), dtype=np.int64),
        visitor=np.asarray(more.get("visitor", own), dtype=np.int64),
        surface=np.asarray(more.get("surface", np.zeros(len(rows))), dtype=np.int32),
        slate=np.asarray(more.get("slate", own), dtype=np.int64),
        position=np.asarray(np.ones(len(rows)) if position is None else position, dtype=np.int32),
        propensity=np.asarray(propensity, dtype=np.float64),
        arm=rows,
        outcome=np.asarray(outcome, dtype=np.float64),
        arms=Index(names),
        surfaces=more.get("surfaces", Index(np.array(["all"], dtype=object))),
        context=None if more.get("context") is None else np.asarray(more["context"], dtype=np.float64),
    )


def check(columns: Mapping[str, Any], arms: int, where: str | Path, first: int = 0) -> None:
    """Raise DataError naming the first impossible row, counted from `first`; EmptyError for no rows at all.

    `columns` are those of an `Exposures` by name.
    """
    if not len(columns["arm"]):
        raise EmptyError(f"{where}: the exposure log has no rows", wanted="at least one exposure")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{where}: the columns differ in length", got=lengths, wanted="one value per exposure")
    p, y, arm, position = (columns[name] for name in ("propensity", "outcome", "arm", "position"))
    _refuse(where, first, "propensity", p, ~((p > 0) & (p <= 1)), "a probability in (0, 1]", _PROPENSITY_CURE)
    _refuse(where, first, "outcome", y, ~(np.isfinite(y) & (y >= 0)), "a finite number >= 0", _OUTCOME_CURE)
    _refuse(where, first, "arm", arm, (arm < 0) | (arm >= arms), "a known arm", _ARM_CURE)
    _refuse(where, first, "position", position, position < 1, "1 for the top, 2 below it, and so on", "")
    if "context" in columns:
        wrong = np.asarray(~np.isfinite(columns["context"]).all(axis=1))
        _refuse(where, first, "context", columns["context"].sum(axis=1), wrong, "finite numbers", "Fill or drop it.")


_PROPENSITY_CURE = (
    "Log the probability at the moment of the draw. Without it only replay on uniformly random traffic "
    "or a comparison on held-out orders is honest."
)
_OUTCOME_CURE = "Net returns into the order they belong to, or drop the row and say so."
_ARM_CURE = "Name every arm of the log, also those switched off since."


def _refuse(where: str | Path, first: int, name: str, values: Any, wrong: Flags, wanted: str, cure: str) -> None:
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    place = f"{where}, row {first + row + 1}: column {name} ({int(wrong.sum())} such rows)"
    raise DataError(place, got=values[row].item(), wanted=wanted, cure=cure)


def _columns(log: Exposures) -> list[str]:
    names = [f.name for f in fields(log) if f.name not in ("arms", "surfaces", "context")]
    return names if log.context is None else [*names, "context"]


def concatenate(parts: Sequence[Exposures]) -> Exposures:
    """One log out of several that share arms and surfaces."""
    if not parts:
        raise EmptyError("The exposure log has no rows", wanted="at least one exposure")
    together: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _columns(parts[0])
    }
    return replace(parts[0], **together)
