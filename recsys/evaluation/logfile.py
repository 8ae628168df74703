"""An exposure log in a file, read in chunks as `Exposures`; and target policies in files.

Columns: `propensity` and `outcome`, and what was chosen: `product`, or `arm` where there are no products. Optional are
`visitor`, `slate`, `position`, `time`, `surface`, and any number of `x_...` columns of context.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import F64, I64, Index
from recsys.errors import DataError
from recsys.evaluation import files
from recsys.evaluation.exposures import Exposures, check
from recsys.evaluation.targets import Target

OPTIONAL = ("visitor", "slate", "position", "time", "surface")
CATEGORIES = 50  # largest number of values of a text column of context
NO_PROPENSITY = (
    "Log the probability of every choice when it is made. Without it only replay on uniformly random traffic "
    "or a comparison on held-out orders is honest."
)
NO_VISITOR = "no visitor column: every exposure counts as a visitor of its own, so intervals may be too narrow"


@dataclass(frozen=True)
class LogFile:
    """What one pass over the file found; `batches` reads it again."""

    path: Path
    action: str  # product or arm: the column the propensity belongs to
    columns: tuple[str, ...]  # that are read
    arms: Index
    surfaces: Index
    positions: int
    rows: int
    context: tuple[tuple[str, tuple[str, ...]], ...]  # (column, its categories; none for a number)
    notes: tuple[str, ...]  # what the file could not say, in words

    def batches(self) -> Iterator[Exposures]:
        """The log, a chunk at a time. Raises DataError at the first impossible row."""
        for first, frame in files.batches(self.path, self.columns):
            yield self._exposures(frame, first)

    def _exposures(self, frame: Any, first: int) -> Exposures:
        n, place = len(frame), (self.path, first)
        own = np.arange(first, first + n, dtype=np.int64)
        has = self.columns.__contains__
        one = np.ones(n, dtype=np.int32)
        columns: dict[str, Any] = {
            "time": files.times(frame, "time", place) if has("time") else own,
            "visitor": files.keys(frame, "visitor", place) if has("visitor") else own,
            "surface": self.surfaces.rows(files.texts(frame, "surface", place)) if has("surface") else one - 1,
            "slate": files.keys(frame, "slate", place) if has("slate") else own,
            "position": files.integers(frame, "position", place).astype(np.int32) if has("position") else one,
            "propensity": files.numbers(frame, "propensity", place),
            "arm": self.arms.rows(files.texts(frame, self.action, place)),
            "outcome": files.numbers(frame, "outcome", place),
        }
        if self.context:
            columns["context"] = self._context(frame, place)
        check(columns, len(self.arms), self.path, first)  # so that a message counts the file's rows
        return Exposures(**columns, arms=self.arms, surfaces=self.surfaces)

    def _context(self, frame: Any, place: tuple[Path, int]) -> F64:
        blocks = [
            files.texts(frame, name, place)[:, None] == np.array(values, dtype=object)[None, 1:]
            if values
            else files.numbers(frame, name, place)[:, None]
            for name, values in self.context
        ]
        return np.hstack(blocks).astype(np.float64)


def open_log(path: Path, action: str = "", arms: tuple[str, ...] = ()) -> LogFile:
    """Look through a log once: which arms, positions and context it has. `arms` are known from elsewhere.

    Raises DataError for a log without propensities, outcomes or choices, UsageError for a file of another format.
    """
    import polars as pl

    present = files.names(path, ["propensity", "outcome"], NO_PROPENSITY)
    action = action or ("product" if "product" in present else "arm")
    files.names(path, [action], "Say what was chosen: a column product, or arm.")
    context = tuple(name for name in present if name.startswith("x_"))
    frame = files.scan(path)
    place = pl.col("position").cast(pl.Float64, strict=False).max() if "position" in present else pl.lit(1.0)
    facts = files.collect(path, frame.select(rows=pl.len(), positions=place))
    shown = files.collect(path, frame.select(pl.col(action).cast(pl.String).unique())).to_series().drop_nulls()
    surfaces = (
        files.collect(path, frame.select(pl.col("surface").cast(pl.String).unique())).to_series().drop_nulls()
        if "surface" in present
        else ["all"]
    )
    used = (action, "propensity", "outcome", *(c for c in OPTIONAL if c in present), *context)
    return LogFile(
        path,
        action,
        used,
        Index.of([*shown, *arms]),
        Index.of(surfaces),
        int(facts["positions"][0] or 1),
        int(facts["rows"][0]),
        tuple((name, _categories(path, name)) for name in context),
        () if "visitor" in present else (NO_VISITOR,),
    )


def _categories(path: Path, name: str) -> tuple[str, ...]:
    """Distinct values of a text column of context in order; none for numbers."""
    import polars as pl

    column = pl.col(name).cast(pl.String)
    bad = files.collect(path, files.scan(path).select(column.cast(pl.Float64, strict=False).is_null().any())).item()
    if not bad:
        return ()
    values = files.collect(path, files.scan(path).select(column.unique())).to_series().drop_nulls().to_list()
    if len(values) > CATEGORIES:
        cure = "Group rare values, or write the column as numbers."
        raise DataError(f"{path}: column {name}", got=f"{len(values):,} values", wanted=f"<= {CATEGORIES}", cure=cure)
    return tuple(sorted(values))


@dataclass(frozen=True)
class RowTarget:
    """The target's probability of each logged choice, by slate and position: a policy that knows who asks."""

    keys: I64  # [n] sorted
    chance: F64  # [n]

    def logged(self, log: Exposures) -> F64:
        """[n] probability of each logged arm. Raises DataError where the file has no row for an exposure."""
        wanted = _pair(log.slate, log.position)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        missing = self.keys[at] != wanted
        if missing.any():
            got = f"no row for {int(missing.sum())} exposures, first at position {log.position[missing][0]}"
            raise DataError("The policy file", got=got, wanted="a row for every slate and position of the log")
        return np.asarray(self.chance[at])


def read_target(path: Path, log: LogFile) -> Target | RowTarget:
    """A policy file: `propensity` by product (or arm) and optional `position`, or by `slate` and optional `position`.

    Raises DataError when neither is there, or probabilities do not add up to 1 (per position, within 1e-6).
    """
    present = files.names(path, ["propensity"])
    _, frame = 0, files.collect(path, files.scan(path))
    place = (path, 0)
    chance = files.numbers(frame, "propensity", place)
    position = files.integers(frame, "position", place) if "position" in present else np.ones(len(frame), np.int64)
    if log.action not in present:
        files.names(path, ["slate"], f"Give a probability per {log.action}, or per slate of the log.")
        paired = _pair(files.keys(frame, "slate", place), position)
        order = np.argsort(paired, kind="stable")
        return RowTarget(paired[order], chance[order])
    rows = log.arms.rows(files.texts(frame, log.action, place))
    if position.min() < 1:
        raise DataError(f"{path}: column position", got=int(position.min()), wanted="1 for the top, 2 below it")
    table = np.zeros((int(position.max()), len(log.arms)))
    np.add.at(table, (position - 1, rows), chance)
    return Target(table)


def target_arms(path: Path, action: str) -> tuple[str, ...]:
    """The products or arms a policy file names; none for a policy by slate."""
    if action not in files.names(path, []):
        return ()
    frame = files.collect(path, files.scan(path).select(action))
    return tuple(files.texts(frame, action, (path, 0)).tolist())


def _pair(slate: I64, position: Any) -> I64:
    mixed = slate.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.asarray(position).astype(np.uint64)
    return np.asarray((mixed ^ (mixed >> np.uint64(29))).view(np.int64))
