"""One contender's numbers, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys.contest.measure import Answers
from recsys.contract import Truth
from recsys.evaluation.scorecard import Scorecard, list_numbers, score, summary, truth_numbers

LISTS = np.array([[0, 1], [0, 3], [2, -1], [-1, -1]], dtype=np.int32)


def test_list_numbers_worked_by_hand() -> None:
    share = np.array([0.5, 0.25, 0.25, 0.0, 0.0])  # a product nobody bought counts as the rarest bought one
    numbers = list_numbers(LISTS, share, (1, 2))
    assert numbers["coverage_at_1"] == 2 / 5
    assert numbers["coverage_at_2"] == 4 / 5
    assert numbers["novelty_at_1"] == pytest.approx((1 + 1 + 2) / 3)
    assert numbers["novelty_at_2"] == pytest.approx((1.5 + 1.5 + 2) / 3)
    assert (numbers["missing_lists"], numbers["short_lists"], numbers["repeated_lists"]) == (1 / 4, 1 / 4, 0)
    assert numbers["gini_at_1"] == pytest.approx(2 * (4 * 1 + 5 * 2) / (5 * 3) - 6 / 5)  # exposure 0, 0, 0, 1, 2
    assert "diversity_at_2" not in numbers


def test_diversity_and_repeats_worked_by_hand() -> None:
    features = sparse.csr_matrix(np.array([[1, 0], [1, 1], [0, 2], [0, 1], [0, 0]], dtype=np.float32))
    lists = np.array([[0, 1, 2], [2, 3, 0], [4, 4, -1]], dtype=np.int32)
    numbers = list_numbers(lists, np.full(5, 0.2), (2, 3), features)
    root = np.sqrt(0.5)  # of 0 and 1, of 1 and 2; 2 and 3 are alike, what has no features is like nothing
    assert numbers["diversity_at_2"] == pytest.approx(((1 - root) + 0 + 1) / 3)
    assert numbers["diversity_at_3"] == pytest.approx(((1 - 2 * root / 3) + 2 / 3 + 1) / 3)
    assert (numbers["repeated_lists"], numbers["short_lists"]) == (1 / 3, 1 / 3)


def test_auc_and_serendipity_worked_by_hand() -> None:
    """Three queries ranked 4, 3 and 5 products; the second has no truth, the third bought a product nobody knew."""
    bought, none = np.array([0, 3, -1], dtype=np.int32), np.zeros(3, np.float32)
    truth = Truth(np.array([0, 2, 2, 3]), bought, none, none, np.zeros(3, np.int64))
    ranks, pool = np.array([1, 3, 0], dtype=np.int32), np.array([4, 3, 5], dtype=np.int32)
    lists = np.array([[0, 2], [1, 0], [3, 1]], dtype=np.int32)
    share = np.array([0.1, 0.5, 0.4, 0.2])
    numbers = truth_numbers(Answers(ranks, lists, 0.0, pool), truth, share, (1, 2))
    # query 0: of its two other products one is before product 3: 3 of 4 pairs are right; query 2 lost all
    assert numbers["auc"] == pytest.approx((3 / 4 + 0) / 2)
    # product 0 comes last of four in popularity: shown first 4/4, expected 1/4
    assert numbers["serendipity_at_1"] == pytest.approx((3 / 4 + 0) / 2)
    assert numbers["serendipity_at_2"] == pytest.approx((3 / 4 / 2 + 0) / 2)


def test_without_truth_there_is_neither_auc_nor_serendipity() -> None:
    none = Truth(np.zeros(3, np.int64), np.zeros(0, np.int32), *np.zeros((2, 0), np.float32), np.zeros(0, np.int64))
    answers = Answers(np.zeros(0, np.int32), LISTS[:2], 0.0, np.array([4, 4], dtype=np.int32))
    assert truth_numbers(answers, none, np.full(4, 0.5), (1, 2)) == {}


def test_numbers_nobody_can_give_are_left_out() -> None:
    numbers = list_numbers(np.full((2, 1), -1, dtype=np.int32), np.zeros(3), (1,))
    assert numbers == {"coverage_at_1": 0.0, "missing_lists": 1.0, "short_lists": 0.0, "repeated_lists": 0.0}


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
