"""Reasons a customer can check: each worked by hand on five orders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from recsys.contract import Baskets, Catalogue, Dataset, Events, Features, Index, Space, stack_rows
from recsys.ranking.reasons import explain, known, together


def shop() -> Dataset:
    """Four products; orders {a b} {a b} {b c} in the north, {d} in the south, {a} nowhere."""
    lines = sparse.csr_matrix(
        np.array([[2, 1, 0, 0], [1, 3, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]], dtype=np.float32)
    )
    space = Space(Index.of(["x", "y"]), Index.of("abcd"), Index.of([]), Index.of(["north", "south"]))
    nothing = np.full(4, "", dtype=object)
    title = np.array(["Apron", " ", "Candle", "Dish"], dtype=object)
    catalogue = Catalogue(title, np.full(4, -1, np.int32), nothing, np.ones(4, np.float32), np.ones(4, bool), nothing)
    guests = np.full(5, -1, dtype=np.int32)
    baskets = Baskets(lines, guests, np.array([0, 0, 0, 1, -1], dtype=np.int32), np.zeros(5, dtype=np.int64))
    return Dataset(
        space=space,
        events=Events.empty(2),
        baskets=baskets,
        catalogue=catalogue,
        customer_features=Features.none(2),
        product_features=Features.none(4),
        customer_segment=np.array([0, 1], dtype=np.int32),
        as_of=1,
    )


def test_together_counts_orders_not_units() -> None:
    facts = known(shop())
    assert facts.together.toarray().tolist() == [[0, 2, 0, 0], [2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert facts.names.tolist() == ["Apron", "b", "Candle", "Dish"]
    assert together(sparse.csr_matrix(np.eye(3, dtype=np.float32))).nnz == 0


def test_each_kind_of_reason() -> None:
    history = stack_rows([[0, 0, 1], [2], []])
    lists = np.array([[0, 1, 2, 3], [1, 0, 3, -1], [3, 0, -1, -1]], dtype=np.int32)
    told = explain(lists, history, np.array([0, 1, -1], dtype=np.int32), known(shop()))
    assert told.tolist() == [
        ["you buy this often", "you bought this before", "bought together with b", "popular in the shop"],
        ["bought together with Candle", "popular in the shop", "popular in south", ""],
        ["popular in the shop", "popular in the shop", "", ""],
    ]


def test_the_partner_is_the_one_most_often_bought_together() -> None:
    told = explain(np.array([[1]], dtype=np.int32), stack_rows([[2, 0]]), np.array([0], np.int32), known(shop()))
    assert told.tolist() == [["bought together with Apron"]]


def test_a_shop_without_segments() -> None:
    data = shop()
    plain = replace(
        data,
        space=replace(data.space, segments=Index.of([])),
        baskets=replace(data.baskets, segment=np.full(5, -1, dtype=np.int32)),
    )
    told = explain(np.array([[3]], dtype=np.int32), Events.empty(1), np.array([-1], np.int32), known(plain))
    assert told.tolist() == [["popular in the shop"]]
