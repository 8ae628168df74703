"""Where the truth is known: are the estimated price elasticities the true ones?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.data.lake import ref_from
from recsys.data.marketplace import MarketTruth
from recsys.report.page import Page
from recsys.scorers.choice import segment_of

LEAST = 5  # products that both know


@dataclass(frozen=True)
class Answer:
    """One contender's own-price elasticities in one market beside the true ones of the last day."""

    contender: str
    market: str
    products: int
    estimated: float  # median
    true: float
    error: float  # median of |estimated - true| / |true|
    covered: float  # share of 90 % intervals that hold the true value


def price_answers(page: Page) -> tuple[Answer, ...]:
    """An answer per choice contender that left its tables; none where no truth lies beside the data."""
    truth, refs = page.truth, page.facts.get("demand", {}).get("tables", {})
    if truth is None or not refs:
        return ()
    found = (compare(truth, name, page.lake.read_json(ref_from(ref))) for name, ref in sorted(refs.items()))
    return tuple(answer for answer in found if answer is not None)


def compare(truth: MarketTruth, contender: str, tables: Mapping[str, Any]) -> Answer | None:
    """Over the products of the table that are no pools; None where fewer than LEAST are known to both."""
    segment = truth.segments.row(segment_of(tables["market"]))
    if segment < 0:
        return None
    own = tables["own_elasticities"]
    columns = [np.array([np.nan if v is None else v for v in own[name]]) for name in ("value", "low", "high")]
    rows = truth.products.rows(tables["products"])
    value, low, high = columns
    true = np.where(rows >= 0, truth.elasticity[segment, np.maximum(rows, 0)], np.nan)
    known = np.isfinite(value) & np.isfinite(true)
    if known.sum() < LEAST:
        return None
    covered = (np.minimum(low, high) <= true) & (true <= np.maximum(low, high))
    return Answer(
        contender=contender,
        market=tables["market"],
        products=int(known.sum()),
        estimated=float(np.median(value[known])),
        true=float(np.median(true[known])),
        error=float(np.median(np.abs(value - true)[known] / np.abs(true[known]))),
        covered=float(covered[known].mean()),
    )
