"""Where the truth is known: how much of the way from popularity to the best possible list a contender went.

    share of the gap closed = (contender - popularity) / (oracle - popularity), each the mean of a metric

on the same held-out customers. The oracle ranks by the true choice probabilities over the held-out days, knowing what
was bought before them; of a customer it never saw it knows the segment. All three sit the same exam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from recsys.config import Settings
from recsys.contest.backtest import barred_products, judge
from recsys.contract import DAY, EMPTY, F32, F64, I32, I64, Dataset, Index, Queries, Space
from recsys.data.lake import ref_from
from recsys.data.marketplace import WEEK, MarketTruth, pair_scores, window_scores
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


def gaps(page: Page, metrics: Sequence[tuple[str, str]]) -> tuple[Gap, ...]:
    """A gap per (track, metric) that could be measured; none where no truth lies beside the data."""
    file = truth_file(page.settings)
    if file is None or "held" not in page.night or "train" not in page.night:
        return ()
    truth = read_truth(file.parent)
    held = page.lake.read_value(HeldOut, ref_from(page.night["held"]))
    train = page.lake.read_value(Dataset, ref_from(page.night["train"]))
    start = truth.start // DAY
    oracle = OracleScorer(truth, held.first_day - start, held.last_day - start)
    cards = judge("oracle", oracle, held, page.settings.contest, barred=barred_products(train))
    found = (_gap(page, cards[track], track, metric) for track, metric in metrics if track in cards)
    return tuple(gap for gap in found if gap is not None)


def share_of_gap(
    values: F64, floor: F64, oracle: F64, cluster: I64, *, level: float = 0.95, draws: int = 500, seed: int = 0
) -> Interval:
    """Share of the gap closed [n values, NaN = n/a in all three], bootstrap over clusters (customers).

    n is the number of customers. All NaN where the oracle is not better than the floor.
    """
    known = ~(np.isnan(values) | np.isnan(floor) | np.isnan(oracle))
    owner = np.unique(cluster[known], return_inverse=True)[1]
    n = int(owner.max()) + 1 if len(owner) else 0
    sums = np.stack([np.bincount(owner, column[known], n) for column in (values, floor, oracle)], axis=1)
    total = sums.sum(axis=0)
    if n == 0 or total[2] <= total[1]:
        return Interval(float("nan"), float("nan"), float("nan"), n)
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(n, np.full(n, 1 / n), size=size) @ sums for size in _sizes(draws)]
    again = np.concatenate(drawn)
    width = again[:, 2] - again[:, 1]
    shares = (again[:, 0] - again[:, 1])[width > 0] / width[width > 0]
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float((total[0] - total[1]) / (total[2] - total[1])), float(low), float(high), n)


def _sizes(draws: int) -> list[int]:
    return [min(BLOCK, draws - first) for first in range(0, draws, BLOCK)]


def _gap(page: Page, oracle: Scorecard, track: str, metric: str) -> Gap | None:
    cards = {r["name"]: _card(page, r, track) for r in page.backtests if r["status"] == "ok"}
    floor = next((cards[name] for name in FLOORS if cards.get(name) is not None), None)
    if floor is None or metric not in oracle.values:
        return None
    contest = page.settings.contest
    best, least = oracle.values[metric], floor.values[metric]
    closed = []
    for name, card in cards.items():
        if card is not None and name != floor.contender:
            values = card.values[metric]
            share = share_of_gap(values, least, best, card.cluster, level=contest.level, draws=contest.draws)
            closed.append((name, float(np.nanmean(values)), share))
    if not closed or np.isnan(closed[0][2].mean):
        return None
    closed.sort(key=lambda row: (-row[2].mean, row[0]))
    customers = closed[0][2].n
    return Gap(
        track, metric, floor.contender, customers, float(np.nanmean(least)), float(np.nanmean(best)), tuple(closed)
    )


def _card(page: Page, record: Json, track: str) -> Scorecard | None:
    ref = record.get("cards", {}).get(track)
    return None if ref is None else page.lake.read_value(Scorecard, ref_from(ref))
