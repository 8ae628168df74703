"""Metrics against values computed once with RecTools, ranx, implicit and scikit-learn, and against hand-worked ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.evaluation import metrics
from recsys.evaluation.metrics import RANK_METRICS
from recsys.ranking.ranks import ranks_and_pools

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text())
SCORES = np.array(GOLDEN["scores"], dtype=np.float32)
START = np.cumsum([0] + [len(row) for row in GOLDEN["truth"]]).astype(np.int64)
PRODUCT = np.array([j for row in GOLDEN["truth"] for j in row], dtype=np.int32)
RANKS, POOL = ranks_and_pools(SCORES, START, PRODUCT)
EXACT = {"rtol": 0, "atol": 1e-9}


def values(name: str, k: int) -> Any:
    if name == "map_all":
        return metrics.average_precision(RANKS, START, k, "all")
    return RANK_METRICS[name](RANKS, START, k)


def per_customer(golden: dict[str, float]) -> Any:
    return [golden.get(str(i), np.nan) for i in range(len(SCORES))]


@pytest.mark.parametrize("library", ["rectools", "ranx"])
@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("name", ["hit", "recall", "precision", "ndcg", "mrr", "map_all"])
def test_each_customer_equals_the_library(library: str, name: str, k: int) -> None:
    np.testing.assert_allclose(values(name, k), per_customer(GOLDEN[library][f"{name}@{k}"]), **EXACT)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_means_equal_implicit(k: int) -> None:
    assert np.nanmean(values("ndcg", k)) == pytest.approx(GOLDEN["implicit"][f"ndcg@{k}"], abs=1e-9)
    assert np.nanmean(values("map", k)) == pytest.approx(GOLDEN["implicit"][f"map_min@{k}"], abs=1e-9)


def test_auc_equals_scikit_learn_and_implicit() -> None:
    auc = metrics.auc(RANKS, START, POOL)
    np.testing.assert_allclose(auc, per_customer(GOLDEN["sklearn"]["auc"]), **EXACT)
    assert np.nanmean(auc) == pytest.approx(GOLDEN["implicit"]["auc"], abs=1e-9)


def test_the_two_denominators_of_average_precision_differ() -> None:
    ranks, start = np.array([1, 2, 0], dtype=np.int32), np.array([0, 3])
    assert metrics.average_precision(ranks, start, 2, "min") == 1
    assert metrics.average_precision(ranks, start, 2, "all") == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", RANK_METRICS)
def test_empty_truth_is_not_available_and_a_miss_is_zero(name: str) -> None:
    ranks, start = np.array([0, 0, 1], dtype=np.int32), np.array([0, 0, 2, 3, 3])
    np.testing.assert_array_equal(RANK_METRICS[name](ranks, start, 1), [np.nan, 0, 1, np.nan])


@pytest.mark.parametrize("name", RANK_METRICS)
def test_k_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RANK_METRICS[name](RANKS, START, 0)


def test_auc_puts_a_miss_behind_everything() -> None:
    ranks, start = np.array([2, 0, 1], dtype=np.int32), np.array([0, 2, 3])
    pool = np.array([5, 1], dtype=np.int32)  # customer 0: 4 others, one of them before the hit; customer 1: none
    np.testing.assert_allclose(metrics.auc(ranks, start, pool), [3 / 8, np.nan])


def test_money_of_what_was_found() -> None:
    ranks, start = np.array([3, 1, 9, 0], dtype=np.int32), np.array([0, 2, 2, 4])
    revenue = np.array([10.0, 2.5, 40.0, 80.0])
    np.testing.assert_array_equal(metrics.revenue_at(ranks, start, 5, revenue), [12.5, np.nan, 0])
    np.testing.assert_array_equal(metrics.margin_at(ranks, start, 9, -revenue), [-12.5, np.nan, -40])


def test_expected_revenue_skips_empty_places() -> None:
    probabilities = np.array([[0.5, 0.1, np.nan], [0.2, np.nan, np.nan]], dtype=np.float32)
    prices = np.array([[10, 20, 5], [7, np.nan, np.nan]])
    np.testing.assert_allclose(metrics.expected_revenue(probabilities, prices), [7, 1.4], rtol=1e-6)


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([0.1, 0.15, 0.9, 1.0])
    outcomes = np.array([0, 1, 1, 1])  # bin 0: |.125 - .5| x 2/4; bin 1: |.95 - 1| x 2/4
    assert metrics.calibration_error(probabilities, outcomes, bins=2) == pytest.approx(0.2125)
    assert np.isnan(metrics.calibration_error(np.empty(0), np.empty(0)))


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_calibration_refuses_what_is_no_probability(wrong: float) -> None:
    with pytest.raises(ValueError, match="wanted probabilities"):
        metrics.calibration_error(np.array([0.5, wrong]), np.array([0, 1]))


def test_equal_ranks_of_one_customer_count_together() -> None:
    ranks, start = np.array([3, 3, 1], dtype=np.int32), np.array([0, 2, 3])  # one other product ahead of the pair
    np.testing.assert_allclose(metrics.average_precision(ranks, start, 5), [2 / 3, 1])
    np.testing.assert_allclose(metrics.auc(ranks, start, np.array([6, 4], dtype=np.int32)), [3 / 4, 1])
