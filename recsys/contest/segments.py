"""One contender's primary metric by market, kind of customer, seller and popularity of the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from recsys.config import Contest
from recsys.contest.measure import bought_share, exams
from recsys.contract import DAY, I32, Dataset, Events, Flags, Index
from recsys.data.split import HeldOut
from recsys.evaluation.lists import exposure_by, gini, top5_share
from recsys.evaluation.scorecard import Scorecard
from recsys.evaluation.segments import Sampling, of_products, of_queries

MOST = 20  # markets, and sellers: those with most held-out customers or lines
HEAD = 0.2  # of the products, those most customers had bought
FLOOR = 0.1  # of a seller's share of the catalogue: less exposure than that is too little


def segments_of(card: Scorecard, held: HeldOut, data: Dataset, contest: Contest, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of `SegmentMean` on the decision's track; `held` in the space of `data`, its past."""
    exam = exams(held, None)[contest.track]
    values, drawn = card.values[contest.primary], Sampling(card.cluster, contest.level, contest.draws, seed)
    markets = _named(exam.queries.segment, data.space.segments)
    rows = of_queries("market", values, markets, drawn)
    rows += of_queries("customer", values, customers(exam.queries.customer, exam.queries.history), drawn)
    product, ranked = exam.truth.product, (card.ranks, exam.truth.start)
    seller = np.where(product >= 0, data.catalogue.seller[np.maximum(product, 0)], -1).astype(np.int32)
    rows += of_products("seller", contest.primary, ranked, _named(seller, data.space.sellers), drawn)
    rows += of_products("product", contest.primary, ranked, _popularity(product, held, len(data.space.products)), drawn)
    return [asdict(row) for row in rows]


def sellers_shown(card: Scorecard, data: Dataset) -> dict[str, Any]:
    """How the lists treat sellers with something on offer: how many get less attention than FLOOR of their catalogue
    share, and how unequal they are.
    """
    n, available = len(data.space.sellers), data.catalogue.available
    owner = data.catalogue.seller[available & (data.catalogue.seller >= 0)]
    stock = np.bincount(owner, minlength=n).astype(np.float64)
    got, offering = exposure_by(card.exposed, data.catalogue.seller, n), stock > 0
    told = {"sellers": int(offering.sum())}
    if n < 2 or got[offering].sum() <= 0:
        return told
    below = (got / got.sum() < FLOOR * stock / stock.sum()) & offering
    return told | {"below_floor": int(below.sum()), "top5_share": top5_share(got), "gini": gini(got[offering])}


def customers(customer: I32, history: Events) -> Mapping[str, Flags]:
    """cold: nothing was known before; new: bought on one day; returning: on several."""
    owner = np.repeat(np.arange(len(history)), np.diff(history.start))
    visits = np.unique(np.stack([owner, history.time // DAY]), axis=1)[0]
    days = np.bincount(visits, minlength=len(history))
    known = customer >= 0
    return {"returning": known & (days >= 2), "new": known & (days == 1), "cold": ~known | (days == 0)}


def _named(rows: I32, index: Index) -> dict[str, Flags]:
    """The MOST frequent rows by name, most frequent first."""
    counts = np.bincount(rows[rows >= 0], minlength=len(index))
    ranked = sorted(np.flatnonzero(counts), key=lambda row: (-counts[row], row))
    return {str(index.ids[row]): rows == row for row in ranked[:MOST]}


def _popularity(product: I32, held: HeldOut, m: int) -> dict[str, Flags]:
    share = bought_share(held.queries.history, m)
    head = np.zeros(m + 1, dtype=bool)  # a product nobody knew lies behind all: row -1
    head[np.argsort(-share, kind="stable")[: max(1, round(HEAD * m))]] = True
    return {"head": head[product], "tail": ~head[product]}
