"""Metrics of lists against RecTools' values and hand-worked cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys.evaluation import lists
from recsys.ranking.topk import top_k

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text())
SCORES = np.array(GOLDEN["scores"], dtype=np.float32)
START = np.cumsum([0] + [len(row) for row in GOLDEN["truth"]]).astype(np.int64)
PRODUCT = np.array([j for row in GOLDEN["truth"] for j in row], dtype=np.int32)
BUYERS = np.array(GOLDEN["past"]).sum(axis=0).astype(np.float64)
M = SCORES.shape[1]
GAPS = np.array([[4, 2, -1], [-1, -1, -1], [2, 2, 0], [1, -1, -1]], dtype=np.int32)


def golden(name: str) -> Any:
    return [GOLDEN["rectools"][name].get(str(i), np.nan) for i in range(len(SCORES))]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_lists_equal_rectools(k: int) -> None:
    shown = top_k(SCORES, k)[0]
    exact = {"rtol": 0, "atol": 1e-9}
    customers = np.array(GOLDEN["past"]).any(axis=1).sum()
    np.testing.assert_allclose(lists.novelty(shown, BUYERS / customers), golden(f"novelty@{k}"), **exact)
    found = np.where(np.diff(START) > 0, golden(f"serendipity@{k}"), np.nan)  # RecTools: 0 for an empty truth
    np.testing.assert_allclose(lists.serendipity(shown, START, PRODUCT, BUYERS), found, **exact)
    assert lists.coverage(shown, M) == pytest.approx(GOLDEN["rectools"][f"coverage@{k}"], abs=1e-9)
    if k > 1:
        features = sparse.csr_matrix(GOLDEN["features"], dtype=np.float32)
        np.testing.assert_allclose(
            lists.intra_list_diversity(shown, features), golden(f"diversity@{k}"), rtol=0, atol=1e-9
        )


def test_padding_is_no_product() -> None:
    assert lists.coverage(GAPS, 8) == 0.5
    share = np.array([1.0, 0.5, 0.25, 0.1, 0.0])  # product 4 counts as rare as product 3
    np.testing.assert_allclose(lists.novelty(GAPS, share), [(-np.log2(0.1) + 2) / 2, np.nan, 4 / 3, 1], rtol=1e-12)
    np.testing.assert_allclose(lists.exposure(GAPS, 5), [0.5, 1, 1 + 2 / np.log2(3), 0, 1], rtol=1e-12)


def test_diversity_needs_pairs_and_takes_missing_features_as_unlike() -> None:
    features = sparse.csr_matrix([[1, 0], [1, 0], [0, 3], [0, 0], [2, 2]], dtype=np.float32)
    shown = np.array([[0, 1, -1], [0, 2, -1], [0, 3, -1], [0, 4, 2], [3, -1, -1]], dtype=np.int32)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        lists.intra_list_diversity(shown, features), [0, 1, 1, 1 - 2 * half / 3, np.nan], atol=1e-7
    )


def test_serendipity_by_hand() -> None:
    popularity = np.array([9.0, 5, 5, 0])  # popularity ranks 1, 2, 2, none: p = 1, .75, .75, 0
    shown = np.array([[1, 0, 3], [2, 1, -1], [3, 0, 1]], dtype=np.int32)
    start, product = np.array([0, 3, 4, 4]), np.array([0, 1, 3, 2], dtype=np.int32)
    expected = [(0.25 + 0 + 0.5) / 3, 0.25 / 3, np.nan]
    np.testing.assert_allclose(lists.serendipity(shown, start, product, popularity), expected, rtol=1e-12)


def test_concentration_of_exposure() -> None:
    assert lists.gini(np.full(7, 3.0)) == pytest.approx(0)
    assert lists.gini(np.array([0, 0, 5.0, 0])) == pytest.approx(3 / 4)
    assert lists.gini(np.array([1.0, 3.0])) == pytest.approx(0.25)
    assert lists.top5_share(np.arange(8.0)) == pytest.approx(25 / 28)
    assert np.isnan(lists.gini(np.zeros(3)))
    assert np.isnan(lists.top5_share(np.zeros(3)))


def test_exposure_of_sellers() -> None:
    owner = np.array([1, 1, -1, 0], dtype=np.int32)
    np.testing.assert_array_equal(lists.exposure_by(np.array([1.0, 2, 4, 8]), owner, 3), [8, 3, 0])


def test_list_quality_counts_customers() -> None:
    assert lists.list_quality(GAPS) == lists.ListQuality(customers=4, missing=1, short=2, repeated=1)
