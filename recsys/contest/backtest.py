"""Backtest: a stored scorer on the held-out days, on every track, as a record a leaderboard can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys.config import Contest
from recsys.contest.measure import TRACKS, Answers, Exam, answer, bought_share, exams
from recsys.contract import F64, I64, Dataset, Rows, Scorer, Texts
from recsys.data.split import HeldOut
from recsys.evaluation.lists import exposure
from recsys.evaluation.metrics import RANK_METRICS
from recsys.evaluation.scorecard import Scorecard, list_numbers, score, summary, truth_numbers


def judge(
    name: str,
    scorer: Scorer,
    held: HeldOut,
    contest: Contest,
    *,
    barred: Any = None,
    fallback: Scorer | None = None,
    features: Rows | None = None,
) -> dict[str, Scorecard]:
    """A scorecard per track. Rows without any opinion are answered by the fallback, as they would be served.

    features: csr [m, columns] of the products, which the diversity of lists is taken from; without them it is left out.
    """
    cards = {}
    for track, exam in exams(held, barred, features).items():
        if len(exam.queries):
            answers = answer(scorer, exam, max(contest.at), fallback)
            cards[track] = scorecard(name, track, held, exam, answers, contest.at)
    return cards


def scorecard(name: str, track: str, held: HeldOut, exam: Exam, answers: Answers, at: Sequence[int]) -> Scorecard:
    """Metrics of one contender's answers on one track."""
    truth = exam.truth
    revenue = None if track == "basket" else truth.revenue.astype(np.float64)
    values, whole = score(answers.ranks, truth.start, answers.lists, at, revenue)
    if track == "basket":
        values = _target_values(answers, truth.start, at)
    share = bought_share(held.queries.history, len(exam.queries.space.products))
    whole |= list_numbers(answers.lists, share, at, exam.features) | {"score_seconds": answers.seconds}
    whole |= truth_numbers(answers, truth, share, at)
    ids = held.basket_ids if track == "basket" else held.ids
    warm = exam.queries.customer >= 0
    return Scorecard(
        contender=name,
        track=track,
        values=values,
        whole=whole,
        cluster=_cluster(ids),
        groups={"warm": warm, "cold": ~warm} | ({"of_two": np.diff(truth.start) == 1} if track == "basket" else {}),
        ranks=answers.ranks,
        exposed=exposure(answers.lists, len(exam.queries.space.products)),
    )


def _target_values(answers: Answers, start: I64, at: Sequence[int]) -> dict[str, F64]:
    """hit and ndcg of the one target (the first product of each truth), and hit of any other product of the basket."""
    target, one_each = answers.ranks[start[:-1]], np.arange(len(start), dtype=np.int64)
    values = {f"{name}_at_{k}": RANK_METRICS[name](target, one_each, k) for name in ("hit", "ndcg") for k in at}
    return values | {f"any_hit_at_{k}": RANK_METRICS["hit"](answers.ranks, start, k) for k in at}


def _cluster(ids: Texts) -> I64:
    return np.unique(ids.astype(str), return_inverse=True)[1].astype(np.int64)


def summaries(cards: Mapping[str, Scorecard], contest: Contest, seed: int) -> dict[str, Any]:
    """JSON of all tracks."""
    return {track: summary(cards[track], contest.level, contest.draws, seed) for track in TRACKS if track in cards}


def barred_products(data: Dataset) -> Any:
    """Products nobody may be offered: bool[m]."""
    return ~data.catalogue.available
