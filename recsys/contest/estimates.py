"""What a contender would have earned on the slates that were shown: off-policy estimates of the backtest's scorers.

A contender fitted on the past is made a policy over the products of each surface and calendar week: softmax of its
scores, standardised per visitor, with a uniform floor. The same form for everybody, so that contenders are compared as
rankers, on days none of them was fitted on. Where shelves change in mid-week mean weights leave 1 and the gate shuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.contract import F64, I32, I64, Dataset, Index, Queries, Scorer
from recsys.data.split import ask
from recsys.errors import EmptyError
from recsys.evaluation.exposures import Exposures, of_arrays
from recsys.evaluation.offpolicy import Estimate, Evaluation, evaluate_logged
from recsys.evaluation.slates import by_slate, evaluate_slates
from recsys.ranking.align import score_blocks
from recsys.ranking.policy import slate_propensity, softmax

if TYPE_CHECKING:
    import polars as pl

TEMPERATURE, FLOOR = 1.0, 0.2
ROWS = 200_000  # newest exposures that are weighed
MONDAY = 3  # 1970-01-01 was a Thursday
COLUMNS = ("contender", "method", "unit", "estimate", "low", "high", "n", "ess_share", "status", "reasons")


@dataclass(frozen=True)
class Shown:
    """Whole slates of a surface and week: products that could be shown there, and those that were."""

    visitor: Any  # [s] ids
    queries: Queries  # [s] who they are to the contenders
    candidates: Any  # [c] product ids, sorted
    products: I32  # [s, k] columns of `candidates`, -1 beyond the slate's end
    rows: I64  # [s, k] rows of the log, -1 beyond the end


@dataclass(frozen=True)
class Log:
    """Exposures as numbers, and the same by slate."""

    exposures: Exposures
    slates: tuple[Shown, ...]


def log_of(shown: pl.DataFrame, data: Dataset, first: int, last: int) -> Log:
    """Exposures of local days first..last that name a product, whole slates only; raises EmptyError without any.

    `data` is what the contenders that are asked were fitted on.
    """
    import polars as pl

    rows = shown.filter(pl.col("day").is_between(first, last), pl.col("product").is_not_null())
    alone = pl.concat_str(pl.lit("row:"), pl.int_range(pl.len()).cast(pl.String))
    rows = rows.with_columns(slate=pl.coalesce("slate", alone), week=(pl.col("day") + MONDAY) // 7)
    place = ("surface", "slate")
    whole = pl.col("position").max().over(place) == pl.len().over(place)
    rows = rows.filter(whole).with_columns(pl.col("time").min().over(place))
    rows = rows.sort("time", *place, "position").tail(ROWS)
    rows = rows.filter(pl.col("position").min().over(place) == 1)  # the cut may have gone through a slate
    if not rows.height:
        raise EmptyError("Off-policy estimates", got="no whole slate with products on the held-out days")
    keys = rows.select(slate=pl.struct(place).rank("dense"), visitor=pl.col("visitor").rank("dense"))
    log = of_arrays(
        Index.of(rows["product"].unique()).rows(rows["product"].to_list()),
        rows["propensity"].to_numpy(),
        rows["outcome"].to_numpy(),
        position=rows["position"].to_numpy(),
        slate=keys["slate"].to_numpy(),
        visitor=keys["visitor"].to_numpy(),
    )
    parts = rows.with_row_index("row").partition_by("surface", "week", maintain_order=True)
    return Log(log, tuple(_shown(part, data) for part in parts))


def evaluate_contender(scorer: Scorer, log: Log) -> tuple[Evaluation, Estimate]:
    """The evaluation per exposure, and RIPS per slate (the plain IPS of a log without slates)."""
    target = np.zeros(len(log.exposures))
    for part in log.slates:
        for rows, chances in _chances(scorer, part):
            given = slate_propensity(chances, part.products[rows], FLOOR)
            at = part.rows[rows]
            target[at[at >= 0]] = given[at >= 0]
    found = evaluate_logged(log.exposures, target)
    if int(log.exposures.position.max()) == 1:
        return found, found["snips"]
    return found, evaluate_slates(by_slate(log.exposures, target))[0]


def worse_than(estimate: Estimate, champion: Estimate, level: float) -> bool:
    """Surely lower: the `level` interval of the difference, as if the two were independent, lies below 0."""
    if "refused" in (estimate.status, champion.status):
        return False
    half = NormalDist().inv_cdf(0.5 + level / 2) * float(np.hypot(estimate.se, champion.se))
    return estimate.value - champion.value + half < 0


def estimate_row(contender: str, found: Evaluation, estimate: Estimate) -> dict[str, Any]:
    """A row of the table, columns COLUMNS; a refused estimate keeps its numbers to itself."""
    told = estimate.status != "refused"
    unit = "slate" if estimate.method == "rips" else "exposure"
    numbers = [estimate.value if told else None, estimate.low if told else None, estimate.high if told else None]
    reasons = "; ".join(estimate.reasons)
    cells = (contender, estimate.method, unit, *numbers, estimate.n, float(found.diagnostics.ess_share))
    return dict(zip(COLUMNS, (*cells, estimate.status, reasons), strict=True))


def logged(log: Log) -> dict[str, Any]:
    """The log's own row: what was earned without anybody's weights."""
    slates = int(log.exposures.position.max()) > 1
    found = evaluate_logged(log.exposures, log.exposures.propensity).log
    n = len(np.unique(log.exposures.slate)) if slates else found.n
    scale = found.n / n
    return {
        "contender": "(the log itself)", "method": "mean", "unit": "slate" if slates else "exposure",
        "estimate": scale * found.value, "low": scale * found.low, "high": scale * found.high, "n": n,
        "ess_share": 1.0, "status": "ok", "reasons": "",
    }  # fmt: skip


def vetoes(estimates: Mapping[str, Estimate], champion: str | None, level: float) -> dict[str, str]:
    """Contender -> why it may not be promoted."""
    if champion is None or champion not in estimates:
        return {}
    base = estimates[champion]
    worse = [name for name, e in estimates.items() if name != champion and worse_than(e, base, level)]
    return {name: f"its off-policy estimate ({estimates[name].method}) is surely lower" for name in worse}


def _shown(part: pl.DataFrame, data: Dataset) -> Shown:
    """The slates of one surface and week; `part` is sorted by slate and position within."""
    names = Index.of(part["product"].unique())
    slates = part["slate"].rle_id().to_numpy().astype(np.int64)
    shape = (int(slates[-1]) + 1, int(part["position"].to_numpy().max()))
    products, rows = np.full(shape, -1, dtype=np.int32), np.full(shape, -1, dtype=np.int64)
    at = (slates, part["position"].to_numpy().astype(np.int64) - 1)
    products[at] = names.rows(part["product"].to_list())
    rows[at] = part["row"].to_numpy()
    first = np.unique(slates, return_index=True)[1]
    visitor = np.array(part["visitor"].to_list(), dtype=object)[first]
    queries = ask(data, visitor, np.full(len(visitor), -1, dtype=np.int32))
    return Shown(visitor, queries, names.ids, products, rows)


def _chances(scorer: Scorer, part: Shown) -> Iterator[tuple[slice, F64]]:
    """(slates, chances [slates, c]) in blocks; a product the scorer does not know is shown by the floor only."""
    column = part.queries.space.products.rows(part.candidates)
    for rows, scores in score_blocks(scorer, part.queries):
        own = np.where(column >= 0, scores[:, np.maximum(column, 0)], np.float32(np.nan)).astype(np.float64)
        known = np.isfinite(own)
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        middle = np.where(known, own, 0).sum(axis=1, keepdims=True) / count
        spread = np.sqrt(np.where(known, (own - middle) ** 2, 0).sum(axis=1, keepdims=True) / count)
        level = np.where(known, (own - middle) / np.where(spread > 0, spread, 1), np.nan)
        yield rows, softmax(level.astype(np.float32), TEMPERATURE, FLOOR)
