"""Revenue against relevance on tonight's lists: what each power of the margin would cost and earn (score x margin^b).

A contender's scores are no probabilities. What is calibrated is the place: among half of the held-out customers, how
often the product in place r was bought; smoothed so that it never rises. The table is made on the other half.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from recsys.contest.measure import Exam, answer
from recsys.contract import F64, I32, Dataset, Scorer
from recsys.errors import EmptyError
from recsys.evaluation.lists import bought
from recsys.evaluation.metrics import calibration_error, expected_revenue
from recsys.ranking.rerank import Candidates, choose_power, frontier

DEEP = 100  # places of a list that may be re-ranked
LEAST = 50  # customers per half
COLUMNS = ("power", "relevance", "revenue", "revenue_share", "price_shift")


def frontier_table(
    scorer: Scorer, data: Dataset, exam: Exam, k: int, take_rate: float, fallback: Scorer | None = None
) -> tuple[list[dict[str, Any]], float, dict[str, float]]:
    """Rows of COLUMNS, the power chosen, and figures: `calibration_error`, how far the chances are off on the half they
    were not learnt on (ECE); `expected_revenue`, the mean over lists of chance x price over the first k places.

    A row without any opinion is answered by the fallback, as it would be served. Raises EmptyError with fewer
    customers than two halves of LEAST.
    """
    lists = answer(scorer, exam, min(DEEP, len(data.space.products)), fallback).lists
    found = bought(lists, exam.truth.start, exam.truth.product, len(data.space.products))
    if len(lists) < 2 * LEAST:
        raise EmptyError("The revenue frontier", got=f"{len(lists)} held-out customers", wanted=f"{2 * LEAST} or more")
    learnt, judged = np.arange(len(lists)) % 2 == 0, np.arange(len(lists)) % 2 == 1
    chance = _chance(lists[learnt], found[learnt])
    price = np.nan_to_num(np.asarray(data.catalogue.price, dtype=np.float64))
    shown = lists[judged]
    candidates = Candidates(shown, np.where(shown >= 0, chance[None, :], 0.0))
    points = frontier(candidates, price * take_rate, k, price)
    off = calibration_error(candidates.chance[shown >= 0], found[judged][shown >= 0].astype(np.float64))
    worth = expected_revenue(candidates.chance[:, :k], candidates.of(price)[:, :k])
    rows = [{name: float(asdict(p)[name]) for name in COLUMNS} for p in points]
    return rows, choose_power(points), {"calibration_error": off, "expected_revenue": float(worth.mean())}


def _chance(lists: I32, bought: Any) -> F64:
    """P(bought | place), never rising with the place."""
    from sklearn.isotonic import IsotonicRegression

    shown = (lists >= 0).sum(axis=0).astype(np.float64)
    rate = bought.sum(axis=0) / np.maximum(shown, 1)
    places = np.arange(lists.shape[1], dtype=np.float64)
    fitted = IsotonicRegression(increasing=False, y_min=0.0, y_max=1.0).fit(places, rate, sample_weight=shown + 1e-9)
    # places with equal rates stay in their order: what is a tie for the calibration is none for the contender
    chance: F64 = np.maximum(fitted.predict(places), 0.0) * (1 - 1e-6 * places)
    return chance
