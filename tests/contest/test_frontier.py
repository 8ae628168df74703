"""The revenue frontier on a contender's own lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.contest import frontier
from recsys.contest.measure import Exam
from recsys.contract import Dataset, Truth
from recsys.errors import EmptyError
from recsys.scorers.linear import LinearScorer
from tests.worlds import dataset, queries


def world(n: int, m: int, seed: int = 0) -> tuple[Exam, LinearScorer, Dataset]:
    """n customers who each bought one product, likelier the better its place in the contender's list."""
    data = dataset([[0]] * n, m)
    asked = queries(data, [-1] * n)
    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(1, m + 1)
    product = rng.choice(m, n, p=chance / chance.sum()).astype(np.int32)
    ones = np.ones(n, np.float32)
    truth = Truth(np.arange(n + 1, dtype=np.int64), product, ones, ones, np.zeros(n, np.int64))
    scorer = LinearScorer(data.space, "none", bias=-np.arange(m, dtype=np.float32)[None, :])
    return Exam(asked, truth, None, ~data.catalogue.available), scorer, data


def test_relevance_falls_and_revenue_rises_with_the_power() -> None:
    exam, scorer, data = world(4000, 30)
    rows, power, figures = frontier.frontier_table(scorer, data, exam, 5, 0.5)
    assert [row["power"] for row in rows] == [0.0, 0.1, 0.25, 0.5, 0.75, 1.0]
    assert rows[0]["relevance"] == rows[0]["revenue_share"] == 1.0
    relevance, revenue = ([row[name] for row in rows] for name in ("relevance", "revenue_share"))
    assert relevance == sorted(relevance, reverse=True)
    assert revenue == sorted(revenue)
    assert power in [row["power"] for row in rows]
    assert 0 < figures["calibration_error"] < 0.02


def test_expected_revenue_is_chance_times_price_over_the_places_shown() -> None:
    """Everybody is shown products 0, 1, 2 first, at 3, 5 and 7 apiece, and buys them 30, 20 and 10 times in 100."""
    exam, scorer, data = world(1000, 12)
    product = np.tile(np.repeat(np.array([0, 1, 2, 11], dtype=np.int32), [60, 40, 20, 80]), 5)
    exam = replace(exam, truth=replace(exam.truth, product=product))
    price = np.full(12, 1.0, dtype=np.float32)
    price[:3] = 3, 5, 7
    priced = replace(data, catalogue=replace(data.catalogue, price=price))
    figures = frontier.frontier_table(scorer, priced, exam, 3, 0.5)[2]
    assert figures["expected_revenue"] == pytest.approx(0.3 * 3 + 0.2 * 5 + 0.1 * 7, rel=1e-3)


def test_the_chance_of_a_place_is_how_often_it_was_bought() -> None:
    lists = np.tile(np.arange(4, dtype=np.int32), (1000, 1))
    bought = np.zeros((1000, 4), dtype=bool)
    bought[:300, 0], bought[300:400, 1], bought[400:520, 2] = True, True, True  # places 2 and 3 are in the wrong order
    assert frontier._chance(lists, bought) == pytest.approx([0.3, 0.11, 0.11, 0.0], rel=1e-4)


def test_too_few_customers_are_told() -> None:
    exam, scorer, data = world(60, 12)
    with pytest.raises(EmptyError, match="60 held-out customers"):
        frontier.frontier_table(scorer, data, exam, 5, 1.0)


def test_whoever_the_contender_has_no_opinion_on_sees_the_fallbacks_list() -> None:
    exam, scorer, data = world(4000, 30)
    mute = LinearScorer(data.space, "none", bias=np.full((1, 30), np.nan, dtype=np.float32))
    told = frontier.frontier_table(mute, data, exam, 5, 0.5, scorer)
    assert told == frontier.frontier_table(scorer, data, exam, 5, 0.5)
