"""An A/B log in a file, added up per visitor.

Columns: `visitor`, `arm`, and any of `orders`, `items`, `revenue`, `outcome`, `exposures` (numbers >= 0; the rows of a
visitor add up), `before_<quantity>` (the same from before the test, equal on every row of a visitor) and `time`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import DAY, F64
from recsys.errors import DataError
from recsys.evaluation import files
from recsys.evaluation.abdesign import QUANTITIES, Visitors

NEGATIVE = "Net returns into the order they belong to; write 0 for nothing."
EXPOSURE_LOG = ("propensity", "slate")  # with either, one row is one exposure


def read_visitors(path: Path, arms: tuple[str, ...] = ()) -> tuple[tuple[str, ...], Visitors]:
    """(arms, totals per visitor); arms default to those of the log, `control` first and then by name.

    Visitors who met several arms are left out and counted. Raises DataError for an arm that is not among `arms`, for
    numbers below 0, for a log without any quantity, and EmptyError for one without rows.
    """
    import polars as pl

    present = files.names(path, ["visitor", "arm"], "Log the arm every visitor was assigned to.")
    quantities = [name for name in QUANTITIES if name in present]
    if not [name for name in quantities if name != "exposures"]:
        got = f"columns {', '.join(present)}"
        raise DataError(str(path), got=got, wanted="one of orders, items, revenue, outcome: what is to be compared")
    before = [f"before_{name}" for name in QUANTITIES if f"before_{name}" in present]
    _check(path, [*quantities, *before])
    number = {name: pl.col(name).cast(pl.Float64) for name in [*quantities, *before]}
    totals = [number[name].sum() for name in quantities] + [number[name].max() for name in before]
    if "exposures" not in present and any(name in present for name in EXPOSURE_LOG):
        totals.append(pl.len().cast(pl.Float64).alias("exposures"))
        quantities.append("exposures")
    arm = pl.col("arm").cast(pl.String)
    query = files.scan(path).group_by(pl.col("visitor").cast(pl.String)).agg(
        *totals, met=arm.n_unique(), arm=arm.first()
    )  # fmt: skip
    table = files.collect(path, query.sort("visitor"))
    found = tuple(sorted(set(table["arm"].to_list()), key=lambda name: (name != "control", name)))
    unknown = [name for name in found if arms and name not in arms]
    if unknown:
        raise DataError(f"{path}: arm", got=f"unknown {', '.join(unknown)}", wanted=", ".join(arms), cure=_UNKNOWN)
    arms, once = arms or found, table.filter(pl.col("met") == 1)
    row = {name: at for at, name in enumerate(arms)}
    return arms, Visitors(
        np.array([row[name] for name in once["arm"].to_list()], dtype=np.int32),
        {name: _column(once, name) for name in quantities},
        {name.removeprefix("before_"): _column(once, name) for name in before},
        mixed=len(table) - len(once),
        days=_days(path) if "time" in present else None,
    )


_UNKNOWN = "Name every arm of the test with --arms, or read another test's rows apart."


def _check(path: Path, columns: list[str]) -> None:
    """Raise DataError at the first empty id, or number that is missing, not finite or below 0."""
    import polars as pl

    frame = files.scan(path)
    wrong = {name: pl.col(name).cast(pl.String).fill_null("") == "" for name in ("visitor", "arm")}
    for name in columns:
        value = pl.col(name).cast(pl.Float64, strict=False)
        wrong[name] = value.is_null() | ~value.is_finite() | (value < 0)
    first = files.collect(path, frame.select(**{name: bad.arg_max() for name, bad in wrong.items()}))
    hit = files.collect(path, frame.select(**{name: bad.sum() for name, bad in wrong.items()}))
    for name in wrong:
        if hit[name][0]:
            row = int(first[name][0])
            value = files.collect(path, frame.select(name).slice(row, 1)).item()
            wanted = "an id" if name in ("visitor", "arm") else "a number >= 0"
            place = f"{path}, row {row + 1}: column {name} ({hit[name][0]} such rows)"
            raise DataError(place, got=repr(value), wanted=wanted, cure=NEGATIVE if wanted != "an id" else "")


def _days(path: Path) -> int:
    """Calendar days (UTC) from the first to the last row."""
    low, high = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    for first, frame in files.batches(path, ["time"]):
        time = files.times(frame, "time", (path, first))
        low, high = min(low, int(time.min())), max(high, int(time.max()))
    return int(high // DAY - low // DAY + 1)


def _column(table: Any, name: str) -> F64:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
