"""Which customers are cold, new or returning; markets, sellers and the head of the catalogue by name."""

from __future__ import annotations

import dataclasses

import numpy as np

from recsys.config import Contest
from recsys.contest.backtest import judge
from recsys.contest.segments import customers, segments_of, sellers_shown
from recsys.contract import Index, Truth
from recsys.data.split import HeldOut
from recsys.scorers.linear import LinearScorer
from tests.worlds import dataset, queries


def test_kinds_of_customers() -> None:
    data = dataset([[0, 1], [0, 1], [2]], 3, days_ago=[[5.0, 5.0], [9.0, 1.0], [2.0]])
    asked = queries(data, [0, 1, 2, -1], history=[[0, 1], [0, 1], [2], []])
    history = dataclasses.replace(asked.history, time=np.concatenate([data.events.time, data.events.time[:0]]))
    found = customers(asked.customer, history)
    assert {kind: flags.tolist() for kind, flags in found.items()} == {
        "returning": [False, True, False, False],
        "new": [True, False, True, False],
        "cold": [False, False, False, True],
    }


def test_a_contender_that_knows_one_half_shows_it_by_segment() -> None:
    """Products 0 and 1 are anna's and come first; 2 and 3 are bert's and are never shown."""
    data = dataset([[0], [0], [1], [0]], 4, segment=[0, 0, 1, 1])
    owner = np.array([0, 0, 1, 1], dtype=np.int32)
    data = dataclasses.replace(
        data,
        space=dataclasses.replace(data.space, sellers=Index.of(["anna", "bert"])),
        catalogue=dataclasses.replace(data.catalogue, seller=owner),
    )
    asked = queries(data, [0, 1, 2, 3])
    product, ones = np.array([0, 1, 2, 3], dtype=np.int32), np.ones(4, np.float32)
    truth = Truth(np.arange(5, dtype=np.int64), product, ones, ones, np.zeros(4, np.int64))
    held = HeldOut(asked, truth, data.space.customers.ids, asked, truth, data.space.customers.ids, 1, 28)
    scorer = LinearScorer(data.space, "none", bias=np.array([[3.0, 2.0, np.nan, np.nan]], dtype=np.float32))
    contest = Contest(at=(2,), primary="hit_at_2", track="repeats")
    card = judge("a", scorer, dataclasses.replace(held, baskets=asked.take(slice(0, 0))), contest)["repeats"]
    rows = {(row["kind"], row["name"]): (row["n"], row["mean"]) for row in segments_of(card, held, data, contest)}
    assert rows["seller", "anna"] == (2, 1.0)
    assert rows["seller", "bert"] == (2, 0.0)
    assert rows["market", "seg000"] == (2, 1.0)
    assert rows["market", "seg001"] == (2, 0.0)
    assert rows["customer", "new"] == (4, 0.5)
    assert rows["customer", "cold"] == (0, None)
    assert rows["product", "head"] == (1, 1.0)  # product 0, which most had bought
    assert rows["product", "tail"] == (3, 1 / 3)
    assert sellers_shown(card, data) == {"sellers": 2, "below_floor": 1, "top5_share": 1.0, "gini": 0.5}
    third = dataclasses.replace(data.space, sellers=Index.of(["anna", "bert", "carl"]))  # carl has nothing on offer
    assert sellers_shown(card, dataclasses.replace(data, space=third)) == sellers_shown(card, data)
    alone = dataclasses.replace(data, space=dataclasses.replace(data.space, sellers=Index.of(["anna"])))
    alone = dataclasses.replace(alone, catalogue=dataclasses.replace(data.catalogue, seller=np.zeros(4, np.int32)))
    assert sellers_shown(card, alone) == {"sellers": 1}
