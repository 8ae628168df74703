"""Running A/B tests, read every night from the exposures and from the orders of the visitors they name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.config import Trial
from recsys.errors import DataError
from recsys.evaluation.abdesign import Design, Visitors
from recsys.evaluation.abread import Reading, read

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]
EPOCH = date(1970, 1, 1).toordinal()
COLUMNS = ("test", "metric", "arm", "control", "treatment", "difference", "low", "high", "lift", "p", "p_any_time")
BOUGHT = ("orders", "items", "revenue")


def read_trial(name: str, trial: Trial, shown: pl.DataFrame, lines: pl.DataFrame | None, day: int) -> Reading:
    """One test as of local day `day` (days since epoch).

    `shown` are exposures of the lake, `lines` sale lines (columns of `data.dataset.sales_until`) by whose customers
    orders are joined to visitors. Raises DataError for an arm the test does not name or a metric nobody can answer.
    """
    import polars as pl

    first, last = _number(trial.start), min(_number(trial.end), day) if trial.end else day
    rows = shown.filter(pl.col("day").is_between(first, last))
    rows = rows.filter(pl.col("surface") == trial.surface) if trial.surface else rows
    met = _met(name, trial, rows)
    once = met.filter(pl.col("arms") == 1).sort("visitor")
    totals: dict[str, Any] = {quantity: once[quantity] for quantity in ("exposures", "outcome")}
    before: dict[str, Any] = {}
    if lines is not None and len(once) and lines["customer"].is_in(once["visitor"].implode()).any():
        totals |= bought(once, lines, first, last)
        before = bought(once, lines, 2 * first - last - 1, first - 1)
    row = {arm: at for at, arm in enumerate(trial.arms)}
    visitors = Visitors(
        np.array([row[arm] for arm in once["arm"].to_list()], dtype=np.int32),
        {key: _floats(values) for key, values in totals.items()},
        {key: _floats(values) for key, values in before.items()},
        mixed=len(met) - len(once),
        days=max(last - first + 1, 0),
    )
    shares = trial.shares or tuple(1 / len(trial.arms) for _ in trial.arms)
    return read(visitors, Design(trial.arms, shares, trial.metric or "response", trial.planned, trial.alpha))


def bought(visitors: pl.DataFrame, lines: pl.DataFrame, first: int, last: int) -> dict[str, pl.Series]:
    """Orders, items and revenue of each visitor (a customer's id) on local days first..last; 0 for nothing.

    Days count whole: what a visitor bought before the first exposure of its first day is shared by all arms alike.
    """
    import polars as pl

    mine = lines.filter(pl.col("day").is_between(first, last)).group_by(visitor=pl.col("customer"))
    sums = mine.agg(orders=pl.col("order").n_unique(), items=pl.col("units").sum(), revenue=pl.col("revenue").sum())
    joined = visitors.select("visitor").join(sums, on="visitor", how="left", maintain_order="left")
    return {name: joined[name].fill_null(0) for name in BOUGHT}


def comparisons(name: str, reading: Reading) -> list[Json]:
    """Rows of the table of differences, columns COLUMNS."""
    return [
        dict(zip(COLUMNS, (name, c.metric, c.arm, c.control, c.treatment, c.difference.value, c.difference.low,
                           c.difference.high, c.difference.lift, c.adjusted_p, c.sequence_p), strict=True))
        for c in reading.comparisons
    ]  # fmt: skip


def vetoes(readings: Mapping[str, Reading], champion: str | None, contenders: Sequence[str]) -> dict[str, str]:
    """Contender -> why it may not be promoted: an arm that a test shows surely worse than the champion's."""
    found: dict[str, str] = {}
    for name, reading in readings.items():
        if reading.arms[0].name in ("champion", champion):
            worse = [arm for arm in reading.verdict.worse if arm in contenders]
            found |= {arm: f"A/B test {name} shows it worse on {reading.metric}" for arm in worse}
    return found


def reading_json(reading: Reading) -> Json:
    """Small JSON of a reading: status, arms, verdict; its comparisons are in the table."""
    return {
        "status": reading.status,
        "reasons": list(reading.reasons),
        "metric": reading.metric,
        "level": reading.level,
        "srm_p": None if np.isnan(reading.srm_p) else float(reading.srm_p),
        "arms": [dataclasses.asdict(arm) for arm in reading.arms],
        "verdict": dataclasses.asdict(reading.verdict),
    }


def _met(name: str, trial: Trial, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per visitor: arm, how many arms it met, exposures, outcome."""
    import polars as pl

    there = rows["arm"].value_counts().sort("arm")
    if unknown := {arm: n for arm, n in there.iter_rows() if arm not in trial.arms}:
        told = ", ".join(f"{arm} ({n:,} exposures)" for arm, n in unknown.items())
        raise DataError(f"Test {name}: an unknown arm", got=told, wanted=", ".join(trial.arms), cure=_UNKNOWN)
    return rows.group_by("visitor").agg(
        arms=pl.col("arm").n_unique(), arm=pl.col("arm").first(), exposures=pl.len(), outcome=pl.col("outcome").sum()
    )


_UNKNOWN = "Name every arm in recsys.toml [tests.NAME] arms, or keep another test's rows on a surface of its own."


def _number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - EPOCH


def _floats(values: Any) -> Any:
    return values.to_numpy().astype(np.float64)
