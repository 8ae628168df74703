"""Where the truth is known: how much of the way from popularity to the best possible list a contender went.

    share of the gap closed = (contender - popularity) / (oracle - popularity), each the mean of a metric

on the same held-out customers. The oracle ranks by the true choice probabilities over the held-out days, knowing what
was bought before them; of a customer it never saw it knows the segment. All three sit the same exam.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from recsys.config import Settings
from recsys.contest.backtest import barred_products, judge
from recsys.contract import DAY, EMPTY, F32, F64, I32, I64, Dataset, Index, Queries, Space
from recsys.data.lake import ref_from
from recsys.data.marketplace import WEEK, MarketTruth
from recsys.data.oracle import pair_scores, window_scores
from recsys.data.simulate import read_truth
from recsys.data.split import HeldOut
from recsys.evaluation.scorecard import Scorecard
from recsys.evaluation.significance import Interval
from recsys.report.page import Json, Page

TRUTH = "truth.safetensors"
FLOORS = ("popularity_28d", "popularity")  # the floor of the gap: the first that was entered
BLOCK = 64  # bootstrap draws held at a time


@dataclass(frozen=True)
class OracleScorer:
    """The true probabilities as a scorer: lists over a window of days (of the truth), or the rest of a basket."""

    truth: MarketTruth
    first_day: int
    last_day: int

    @cached_property
    def space(self) -> Space:
        return Space(self.truth.customers, self.truth.products, self.truth.sellers, self.truth.segments)

    @property
    def inputs(self) -> Index:
        return EMPTY

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)], all finite."""
        known = queries.customer
        if queries.basket is not None:
            first = np.asarray(queries.basket.argmax(axis=1)).ravel().astype(np.int32)
            scores = pair_scores(self.truth, known, first, range(self.first_day, self.last_day + 1, WEEK))
        else:
            stranger = -1 - np.maximum(queries.segment, 0)
            who = np.where(known >= 0, known, stranger).astype(np.int32)
            scores = window_scores(self.truth, who, self.first_day, self.last_day)
        return scores if products is None else scores[:, products]


@dataclass(frozen=True)
class Gap:
    """One track: the floor and the oracle, and each contender's share of the way between them; best first."""

    track: str
    metric: str
    floor: str
    customers: int
    floor_mean: float
    oracle_mean: float
    closed: tuple[tuple[str, float, Interval], ...]  # (contender, mean of the metric, share of the gap)


def truth_file(settings: Settings) -> Path | None:
    """The truth beside the shop's orders; None for a real shop."""
    if not settings.orders.path or "://" in settings.orders.path:
        return None
    file = Path(settings.file(settings.orders.path)).parent / TRUTH
    return file if file.exists() else None


def truth_of(settings: Settings) -> MarketTruth | None:
    """The truth itself; None for a real shop."""
    file = truth_file(settings)
    return None if file is None else read_truth(file.parent)


def gaps(page: Page, metrics: Sequence[tuple[str, str]]) -> tuple[Gap, ...]:
    """A gap per (track, metric) that could be measured; none where no truth lies beside the data."""
    truth = page.truth
    if truth is None or "held" not in page.night or "train" not in page.night:
        return ()
    held = page.lake.read_value(HeldOut, ref_from(page.night["held"]))
    train = page.lake.read_value(Dataset, ref_from(page.night["train"]))
    start = truth.start // DAY
    oracle = OracleScorer(truth, held.first_day - start, held.last_day - start)
    cards = judge("oracle", oracle, held, page.settings.contest, barred=barred_products(train))
    found = (_gap(page, cards[track], track, metric) for track, metric in metrics if track in cards)
    return tuple(gap for gap in found if gap is not None)


def shares_of_gap(
    values: Mapping[str, F64],
    floor: F64,
    oracle: F64,
    cluster: I64,
    *,
    level: float = 0.95,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, Interval]:
    """Share of the gap closed per contender [n values each, NaN = n/a], bootstrap over clusters (customers).

    Rows that are n/a to anybody are left out, so that all are judged on the same; n is the number of customers. All
    NaN where the oracle is not better than the floor.
    """
    columns = np.stack([floor, oracle, *values.values()], axis=1)
    known = ~np.isnan(columns).any(axis=1)
    owner = np.unique(cluster[known], return_inverse=True)[1]
    n = int(owner.max()) + 1 if len(owner) else 0
    sums = np.stack([np.bincount(owner, column, n) for column in columns[known].T], axis=1)
    total = sums.sum(axis=0)
    if n == 0 or total[1] <= total[0]:
        return {name: Interval(float("nan"), float("nan"), float("nan"), n) for name in values}
    rng = np.random.default_rng(seed)
    again = np.concatenate([rng.multinomial(n, np.full(n, 1 / n), size=size) @ sums for size in _sizes(draws)])
    drawn = _shares(again[again[:, 1] > again[:, 0]])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    middle = _shares(total[None])[0]
    return {name: Interval(float(middle[i]), float(low[i]), float(high[i]), n) for i, name in enumerate(values)}


def _shares(sums: F64) -> F64:
    """From sums [draws, 2 + contenders]: floor, oracle, contenders."""
    return np.asarray((sums[:, 2:] - sums[:, :1]) / (sums[:, 1:2] - sums[:, :1]))


def _sizes(draws: int) -> list[int]:
    return [min(BLOCK, draws - first) for first in range(0, draws, BLOCK)]


def _gap(page: Page, oracle: Scorecard, track: str, metric: str) -> Gap | None:
    cards = {r["name"]: _card(page, r, track) for r in page.backtests if r["status"] == "ok"}
    floor = next((cards[name] for name in FLOORS if cards.get(name) is not None), None)
    if floor is None or metric not in oracle.values:
        return None
    contest = page.settings.contest
    values = {name: card.values[metric] for name, card in cards.items() if card and name != floor.contender}
    best, least = oracle.values[metric], floor.values[metric]
    shares = shares_of_gap(values, least, best, oracle.cluster, level=contest.level, draws=contest.draws)
    closed = [(name, float(np.nanmean(values[name])), share) for name, share in shares.items()]
    if not closed or np.isnan(closed[0][2].mean):
        return None
    closed.sort(key=lambda row: (-row[2].mean, row[0]))
    low, high = (float(np.nanmean(column)) for column in (least, best))
    return Gap(track, metric, floor.contender, closed[0][2].n, low, high, tuple(closed))


def _card(page: Page, record: Json, track: str) -> Scorecard | None:
    ref = record.get("cards", {}).get(track)
    return None if ref is None else page.lake.read_value(Scorecard, ref_from(ref))
