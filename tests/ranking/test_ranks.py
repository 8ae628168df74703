"""Ranks of held-out products against their place in a fully sorted list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys.ranking.ranks import held_out_ranks, ranks_and_pools
from tests.ranking.test_topk import case, sorted_top_k


def held_out(rng: np.random.Generator, n: int, m: int) -> tuple[Any, Any]:
    rows = [rng.choice(m, rng.integers(0, min(m, 6)), replace=False) for _ in range(n)]
    start = np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)
    return start, np.concatenate(rows).astype(np.int32)


def places(lists: Any, values: Any, start: Any, product: Any) -> list[int]:
    """The last place among the equals of each product in its row's full list, 0 when it is not listed."""
    owners = np.repeat(np.arange(len(lists)), np.diff(start))
    found = []
    for i, p in zip(owners, product, strict=True):
        listed = list(lists[i])
        found.append(int(np.sum(values[i] >= values[i][listed.index(p)])) if p in listed else 0)
    return found


@pytest.mark.parametrize("seed", range(80))
def test_rank_is_the_place_in_the_sorted_list(seed: int) -> None:
    scores, _, seen, barred = case(seed)
    start, product = held_out(np.random.default_rng(seed), *scores.shape)
    before, truth = scores.copy(), product.copy()
    ranks, pool = ranks_and_pools(scores, start, product, seen=seen, barred=barred)
    lists, values = sorted_top_k(scores, scores.shape[1], seen, barred)
    np.testing.assert_array_equal(ranks, places(lists, values, start, product))
    np.testing.assert_array_equal(pool, np.where(np.diff(start) > 0, (lists >= 0).sum(axis=1), 0))
    np.testing.assert_array_equal(scores, before)
    np.testing.assert_array_equal(product, truth)
    assert ranks.dtype == np.int32


@pytest.mark.parametrize("seed", range(80))
def test_candidates_limit_the_competitors(seed: int) -> None:
    scores, _, seen, barred = case(seed)
    n, m = scores.shape
    start, product = held_out(np.random.default_rng(seed), n, m)
    candidates = sparse.random(n, m, 0.3, format="csr", random_state=seed + 1, dtype=np.float32)
    ranks = held_out_ranks(scores, start, product, seen=seen, barred=barred, candidates=candidates)
    outside = scores.copy()
    for i in range(n):
        inside = np.union1d(candidates[i].indices, product[start[i] : start[i + 1]])
        outside[i, np.setdiff1d(np.arange(m), inside)] = np.nan
    lists, values = sorted_top_k(outside, m, seen, barred)
    np.testing.assert_array_equal(ranks, places(lists, values, start, product))


def test_a_candidate_that_is_the_positive_counts_once() -> None:
    scores = np.array([[5, 4, 4, 4, 9]], dtype=np.float32)
    start, product = np.array([0, 1]), np.array([2], dtype=np.int32)
    candidates = sparse.csr_matrix(([1, 1, 1, 1], ([0, 0, 0, 0], [2, 0, 1, 3])), shape=(1, 5))
    ranks, pool = ranks_and_pools(scores, start, product, candidates=candidates)
    assert (ranks[0], pool[0]) == (4, 4)  # behind 0 and, at the same score, 1 and 3; 4 is no candidate


def test_every_way_to_miss() -> None:
    scores = np.array([[1, np.nan, 3, 4, np.inf, 2]], dtype=np.float32)
    product = np.array([0, 1, 2, 3, 4, -1, 5], dtype=np.int32)
    seen = sparse.csr_matrix(([1], ([0], [3])), shape=(1, 6))
    barred = np.array([False, False, True, False, False, False])
    ranks = held_out_ranks(scores, np.array([0, 7]), product, seen=seen, barred=barred)
    np.testing.assert_array_equal(ranks, [2, 0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(held_out_ranks(scores, np.array([0, 7]), product), [4, 0, 2, 1, 0, 0, 3])


def test_other_held_out_products_are_competitors() -> None:
    scores = np.array([[7, 8, 9, 1], [9, 8, 7, 1]], dtype=np.float32)
    ranks = held_out_ranks(scores, np.array([0, 2, 3]), np.array([1, 0, 1], dtype=np.int32))
    np.testing.assert_array_equal(ranks, [2, 3, 2])


def test_nothing_held_out() -> None:
    ranks, pool = ranks_and_pools(np.ones((2, 3), dtype=np.float32), np.zeros(3, dtype=np.int64), np.empty(0, np.int32))
    assert len(ranks) == 0
    np.testing.assert_array_equal(pool, [0, 0])


@pytest.mark.parametrize(
    ("start", "product", "told"),
    [([0, 1], [0], "start"), ([0, 2, 1], [0], "start"), ([0, 1, 1], [0, 1], "start"), ([0, 1, 2], [0, 4], "product")],
)
def test_what_does_not_fit_is_refused(start: list[int], product: list[int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        held_out_ranks(np.zeros((2, 4), dtype=np.float32), np.array(start), np.array(product, dtype=np.int32))
