"""Data whose structure a factor model can find and popularity cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from recsys.contract import DAY, Dataset, Features, Index
from tests import worlds


def groups(n_customers: int = 240, n_products: int = 45, n_groups: int = 3, seed: int = 0) -> Dataset:
    """Customers of a group buy 4 to 8 of its products; a customer's group is its row modulo `n_groups`."""
    rng = np.random.default_rng(seed)
    each = n_products // n_groups
    rows = [
        sorted(rng.choice(each, rng.integers(4, 9), replace=False) + each * (c % n_groups)) for c in range(n_customers)
    ]
    return worlds.dataset([[int(p) for p in row] for row in rows], n_products + 2)


def matched(n_customers: int = 300, n_products: int = 60, seed: int = 0) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Customers buy products of their own colour: known through features of both.

    Returns the past, each customer's colour and the next product of each; product j has colour j % 3, and the last 6
    products were never sold.
    """
    rng = np.random.default_rng(seed)
    colour, likes = np.arange(n_products) % 3, rng.integers(3, size=n_customers)
    of = [np.flatnonzero((colour == c) & (np.arange(n_products) < n_products - 6)) for c in range(3)]
    drawn = [rng.choice(of[like], 4, replace=False) for like in likes]
    past = worlds.dataset([[int(p) for p in row[:3]] for row in drawn], n_products)
    past = dataclasses.replace(
        past,
        customer_features=one_hot([f"likes:{'abc'[c]}" for c in likes]),
        product_features=one_hot([f"colour:{'abc'[c]}" for c in colour]),
    )
    return past, likes, np.array([row[3] for row in drawn])


def one_hot(names: Sequence[str]) -> Features:
    columns = Index.of(names)
    at = (np.ones(len(names), np.float32), (np.arange(len(names)), columns.rows(names)))
    return Features(sparse.csr_matrix(at, shape=(len(names), len(columns))), columns)


def in_months(data: Dataset, months: Sequence[int]) -> Dataset:
    """The purchases of customer i moved to a day of month months[i % len(months)] (0 = January 2023)."""
    owner = np.repeat(np.arange(len(data.events)), np.diff(data.events.start))
    day = np.array([31 * m + 10 for m in months])[owner % len(months)]
    return dataclasses.replace(data, events=dataclasses.replace(data.events, time=1_672_531_200 + day * DAY))


def joined(features: Features, more: dict[str, object]) -> Features:
    """The features with further columns, in the order of names."""
    blocks = {str(c): features.matrix[:, [at]] for at, c in enumerate(features.columns.ids)}
    blocks |= {name: sparse.csr_matrix(column) for name, column in more.items()}
    index = Index.of(blocks)
    return Features(sparse.hstack([blocks[str(c)] for c in index.ids], format="csr", dtype=np.float32), index)
