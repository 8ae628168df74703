"""What a recommender expects the customers of a segment to buy: probabilities calibrated on days it was not fitted on.

The backtest's scorer is calibrated on the held-out days; the same softmax and the same share of buyers then serve the
contender's fresh scorer.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from recsys.contract import DAY, F32, F64, I32, Dataset, Queries, Scorer, Texts
from recsys.data.split import HeldOut, ask
from recsys.evaluation.calibration import Softmax, chances, fit_softmax
from recsys.ranking.align import score_blocks
from recsys.ranking.lists import active_customers

Json = dict[str, Any]
ASKED = 400  # customers of a segment, evenly taken: their mean is what a segment expects
LATELY = 28  # days whose sales are the prior of a calibration
SMOOTHING = 0.1  # of the whole shop's sales is part of a segment's prior
HALF = 0.5  # of an order, for a product that sold nothing lately
KINDS, LEAST_KIND = 6, 20  # kinds of customers a segment is made of; customers of a kind
PRIOR = 20.0  # customers of the whole shop added to a segment's, so that a small one's share of buyers is not 0 or 1


def calibrate(scorer: Scorer, train: Dataset, held: HeldOut, active_days: int, fallback: Scorer) -> Json:
    """The softmax under which held-out purchases are likeliest, and the share of active customers who bought at all.

    Raises EmptyError when nobody bought anything on offer.
    """
    rows = evenly(len(held.queries), ASKED)
    bought = held.truth.take(rows)
    scores = scores_of(scorer, held.queries.take(rows), fallback)
    prior = priors(train, held.queries.segment[rows])
    found = fit_softmax(scores, bought.owner, bought.product, prior, train.catalogue.available)
    whole, by_segment = bought_shares(train, held, active_days)
    return {
        **asdict(found),
        "ece": found.ece if np.isfinite(found.ece) else None,
        "customers": len(rows),
        "days": held.last_day - held.first_day + 1,
        "bought": whole,
        "segments": by_segment,
    }


def softmax_of(calibration: Mapping[str, Any]) -> Softmax:
    """The softmax of a stored calibration."""
    c = calibration
    return Softmax(c["sharpness"], c["prior"], c["logarithm"], c["log_likelihood"], np.nan)


def sold_lately(data: Dataset, segment: int | None = None, days: int = LATELY) -> F64:
    """float64[m]: orders of the last `days` that hold each product, of one segment or of all."""
    late = data.baskets.time >= data.as_of - days * DAY
    mine = late if segment is None else late & (data.baskets.segment == segment)
    return np.asarray(data.baskets.lines[np.flatnonzero(mine)].getnnz(axis=0), dtype=np.float64)


def priors(data: Dataset, segments: I32) -> F64:
    """float64[n, m] > 0: what sold lately in each row's segment, with a tenth of the whole shop's sales added."""
    whole = sold_lately(data) + HALF
    share = SMOOTHING * whole
    table = {int(s): share + (sold_lately(data, int(s)) if s >= 0 else 0.0) for s in np.unique(segments)}
    return np.stack([table[int(s)] for s in segments]) if len(segments) else np.empty((0, len(whole)))


def bought_shares(train: Dataset, held: HeldOut, active_days: int) -> tuple[float, dict[str, float]]:
    """Share of the customers active at the cutoff who bought in the held-out days: of all, and of each segment."""
    rows = train.space.customers.rows(active_customers(train, active_days))
    came = np.isin(rows, held.queries.customer)
    whole = float((came.sum() + 1) / (len(rows) + 2))
    shares = {}
    for row, name in enumerate(train.space.segments.ids):
        of = came[train.customer_segment[rows] == row]
        shares[str(name)] = float((of.sum() + PRIOR * whole) / (len(of) + PRIOR))
    return whole, shares


def segment_chance(
    scorer: Scorer, data: Dataset, segment: int, ids: Texts, calibration: Mapping[str, Any], fallback: Scorer
) -> tuple[F64, F64]:
    """(chance [types, m], weight [types]) of each available product for the segment's kinds of customers; the rest to
    1 buys nothing. `ids` are its active customers; without any, somebody unknown from there is asked.
    """
    asked = ids[evenly(len(ids), ASKED)] if len(ids) else np.array([""], dtype=object)
    queries = ask(data, asked, np.full(len(asked), segment, dtype=np.int32))
    scores = scores_of(scorer, queries, fallback)
    given = chances(scores, softmax_of(calibration), priors(data, queries.segment), data.catalogue.available)
    name = str(data.space.segments.ids[segment])
    kind = kinds(given)
    count = np.bincount(kind).astype(np.float64)
    mean = np.stack([given[kind == k].mean(axis=0) for k in range(len(count))])
    return np.asarray(calibration["segments"].get(name, calibration["bought"]) * mean), count / count.sum()


def kinds(given: F64) -> I32:
    """int32[n] group of each customer, 0..: at most KINDS of at least LEAST_KIND on average, alike in what they would
    buy (k-means on square roots of chances, so that distances are Hellinger's)."""
    from scipy.cluster.vq import kmeans2

    root = np.sqrt(given)
    most = min(KINDS, len(given) // LEAST_KIND, len(np.unique(np.round(root, 6), axis=0)))
    if most < 2:
        return np.zeros(len(given), dtype=np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a kind that loses its last customer is one kind less
        of = kmeans2(root, most, minit="++", seed=0)[1]
    return np.unique(of, return_inverse=True)[1].astype(np.int32)


def scores_of(scorer: Scorer, queries: Queries, fallback: Scorer | None) -> F32:
    """float32[n, m] in the queries' products; a row without any opinion is answered by the fallback."""
    blocks = [block for _, block in score_blocks(scorer, queries, fallback)]
    return np.concatenate(blocks) if blocks else np.empty((0, len(queries.space.products)), dtype=np.float32)


def evenly(n: int, most: int) -> I32:
    """At most `most` of n rows, evenly spaced: the same every time."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int32)) if n else np.empty(0, dtype=np.int32)
