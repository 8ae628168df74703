"""A metric by segment: hand-worked, with what is n/a left out."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.evaluation.segments import Sampling, SegmentMean, of_products, of_queries
from recsys.evaluation.significance import cluster_interval

NAN = np.nan


def test_queries_by_group_with_n_and_interval() -> None:
    values = np.array([1.0, 0.0, NAN, 0.5, 0.25])
    groups = {"north": np.array([1, 1, 1, 0, 0], bool), "south": np.array([0, 0, 0, 1, 1], bool)}
    north, south = of_queries("market", values, groups, Sampling(np.arange(5)))
    assert (north.n, north.mean, south.n, south.mean) == (2, 0.5, 2, 0.375)
    assert (south.low, south.high) == (0.25, 0.5)  # of two customers, a quarter of the draws has one of them twice
    assert of_queries("market", values, {"none": np.zeros(5, bool)}, Sampling(np.arange(5))) == [
        SegmentMean("market", "none", 0, None, None, None)
    ]


def test_two_queries_of_one_customer_are_one_draw() -> None:
    values, everybody = np.tile([1.0, 1.0, 0.0, 0.0], 10), {"all": np.ones(40, bool)}
    apart = of_queries("market", values, everybody, Sampling(np.arange(40)))[0]
    pairs = of_queries("market", values, everybody, Sampling(np.arange(40) // 2))[0]
    assert pairs.mean == apart.mean == 0.5
    assert pairs.high - pairs.low > apart.high - apart.low  # type: ignore[operator]
    alone = of_queries("market", values, everybody, Sampling(np.zeros(40, np.int64)))[0]
    assert (alone.mean, alone.low) == (0.5, None)


def test_products_by_group_count_only_their_own() -> None:
    ranks, start = np.array([1, 0, 3, 2], dtype=np.int32), np.array([0, 2, 3, 4])
    groups = {"head": np.array([1, 0, 0, 1], bool), "tail": np.array([0, 1, 1, 0], bool)}
    head, tail = of_products("product", "hit_at_2", (ranks, start), groups, Sampling(np.arange(3)))
    assert (head.n, head.mean) == (2, 1.0)  # customers 0 and 2, both found
    assert (tail.n, tail.mean) == (2, 0.0)  # a miss, and a place behind the second
    best = of_products("product", "ndcg_at_3", (ranks, start), groups, Sampling(np.arange(3)))
    assert best[1].mean == pytest.approx((0 + 1 / np.log2(4)) / 2)


def test_the_interval_is_the_customers_bootstrap_and_keeps_within_what_a_metric_can_be() -> None:
    """3 hits of 40: a normal interval would begin below 0."""
    rng = np.random.default_rng(1)
    values, cluster = (np.arange(40) < 3) * 1.0, rng.integers(0, 30, 40)
    (one,) = of_queries("market", values, {"north": np.ones(40, bool)}, Sampling(cluster, 0.9, 400, 7))
    told = cluster_interval(values, cluster, 0.9, 400, 7)
    assert (one.n, one.mean, one.low, one.high) == (40, 0.075, told.low, told.high)
    assert 0 <= told.low < 0.075 < told.high
    (again,) = of_queries("market", values, {"north": np.ones(40, bool)}, Sampling(cluster, 0.99, 400, 7))
    assert again.low is not None
    assert again.high is not None
    assert 0 <= again.low <= told.low < told.high < again.high
