"""Forty sellers and 800 products of the simulated marketplace: the true chance of every purchase on its last day."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from recsys.contract import F64, I32
from recsys.data.marketplace import PRESETS
from recsys.data.oracle import oracle_scores
from recsys.data.simulate import simulate
from recsys.ranking.rerank import Candidates


@dataclass(frozen=True)
class Shelf:
    """What is on offer on the last day."""

    candidates: Candidates  # every offered product for every customer
    seller: I32  # [m]
    stock: F64  # [sellers] products on offer
    price: F64  # [m]
    margin: F64  # [m]


@functools.cache
def shelf() -> Shelf:
    truth = simulate(replace(PRESETS["demo"], customers=500, days=60)).truth
    day, week = truth.days - 1, (truth.days - 1) // 7
    offered = np.flatnonzero(truth.offered[:, day]).astype(np.int32)
    people = np.arange(len(truth.customers), dtype=np.int32)
    chance = oracle_scores(truth, people, None, day)[:, offered].astype(np.float64)
    price = truth.price[:, :, week].mean(axis=0).astype(np.float64)
    stock = np.bincount(truth.seller[offered], minlength=len(truth.sellers)).astype(np.float64)
    candidates = Candidates(np.tile(offered, (len(people), 1)), np.nan_to_num(chance))
    return Shelf(candidates, truth.seller, stock, price, price - truth.cost[:, week])
