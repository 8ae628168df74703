"""One contender's numbers, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.evaluation.scorecard import Scorecard, list_numbers, score, summary

LISTS = np.array([[0, 1], [0, 3], [2, -1], [-1, -1]], dtype=np.int32)


def test_list_numbers_worked_by_hand() -> None:
    share = np.array([0.5, 0.25, 0.25, 0.0, 0.0])  # a product nobody bought counts as the rarest bought one
    numbers = list_numbers(LISTS, share, (1, 2))
    assert numbers["coverage_at_1"] == 2 / 5
    assert numbers["coverage_at_2"] == 4 / 5
    assert numbers["novelty_at_1"] == pytest.approx((1 + 1 + 2) / 3)
    assert numbers["novelty_at_2"] == pytest.approx((1.5 + 1.5 + 2) / 3)
    assert (numbers["missing_lists"], numbers["short_lists"]) == (1 / 4, 1 / 4)


def test_numbers_nobody_can_give_are_left_out() -> None:
    numbers = list_numbers(np.full((2, 1), -1, dtype=np.int32), np.zeros(3), (1,))
    assert numbers == {"coverage_at_1": 0.0, "missing_lists": 1.0, "short_lists": 0.0}


def test_a_query_without_truth_is_not_applicable_never_zero() -> None:
    ranks, start = np.array([1, 0, 2], dtype=np.int32), np.array([0, 2, 3, 3], dtype=np.int64)
    values, whole = score(ranks, start, LISTS[:3], (2,))
    assert values["hit_at_2"].tolist()[:2] == [1.0, 1.0]
    assert np.isnan(values["hit_at_2"][2])
    assert whole == {"listed_at_2": pytest.approx(5 / 6)}
    flags = np.array([True, False, True])
    card = Scorecard("a", "new", values, whole, np.arange(3), {"warm": flags, "cold": np.zeros(3, bool)})
    told = summary(card, 0.95, 100, 0)
    assert told["metrics"]["hit_at_2"]["n"] == 2
    assert told["groups"]["warm"]["hit_at_2"] == 1.0
    assert told["groups"]["cold"] == {name: None for name in values} | {"n": 0}


def test_without_any_truth_every_metric_is_none() -> None:
    values, whole = score(np.zeros(0, np.int32), np.zeros(3, np.int64), LISTS[:2], (1,))
    told = summary(Scorecard("a", "new", values, whole, np.arange(2)), 0.95, 100, 0)
    assert all(m == {"mean": None, "low": None, "high": None, "n": 0} for m in told["metrics"].values())
