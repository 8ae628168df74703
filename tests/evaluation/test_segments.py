"""A metric by segment: hand-worked, with what is n/a left out."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.evaluation.segments import SegmentMean, of_products, of_queries

NAN = np.nan


def test_queries_by_group_with_n_and_interval() -> None:
    values = np.array([1.0, 0.0, NAN, 0.5, 0.25])
    groups = {"north": np.array([1, 1, 1, 0, 0], bool), "south": np.array([0, 0, 0, 1, 1], bool)}
    north, south = of_queries("market", values, groups, np.arange(5), 0.95)
    assert (north.n, north.mean, south.n, south.mean) == (2, 0.5, 2, 0.375)
    half = 1.959964 * np.sqrt(0.125**2 * 2 * 2) / 2  # two units, residuals of 1/8 each
    assert south.low == pytest.approx(0.375 - half)
    assert south.high == pytest.approx(0.375 + half)
    assert of_queries("market", values, {"none": np.zeros(5, bool)}, np.arange(5), 0.95) == [
        SegmentMean("market", "none", 0, None, None, None)
    ]


def test_two_queries_of_one_customer_are_one_draw() -> None:
    values, everybody = np.array([1.0, 1.0, 0.0, 0.0]), {"all": np.ones(4, bool)}
    apart = of_queries("market", values, everybody, np.array([0, 1, 2, 3]), 0.95)[0]
    pairs = of_queries("market", values, everybody, np.array([0, 0, 1, 1]), 0.95)[0]
    assert pairs.mean == apart.mean == 0.5
    assert pairs.high - pairs.low > apart.high - apart.low  # type: ignore[operator]
    alone = of_queries("market", values, everybody, np.zeros(4, np.int64), 0.95)[0]
    assert (alone.mean, alone.low) == (0.5, None)


def test_products_by_group_count_only_their_own() -> None:
    ranks, start = np.array([1, 0, 3, 2], dtype=np.int32), np.array([0, 2, 3, 4])
    groups = {"head": np.array([1, 0, 0, 1], bool), "tail": np.array([0, 1, 1, 0], bool)}
    head, tail = of_products("product", "hit_at_2", (ranks, start), groups, np.arange(3), 0.95)
    assert (head.n, head.mean) == (2, 1.0)  # customers 0 and 2, both found
    assert (tail.n, tail.mean) == (2, 0.0)  # a miss, and a place behind the second
    best = of_products("product", "ndcg_at_3", (ranks, start), groups, np.arange(3), 0.95)
    assert best[1].mean == pytest.approx((0 + 1 / np.log2(4)) / 2)
