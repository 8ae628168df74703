"""Held-out days in which some customers of a checkerboard buy the one product that was kept from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.contract import Dataset, Truth
from recsys.data.split import HeldOut, ask
from tests.worlds import missing


def held_out(data: Dataset, customers: Sequence[int]) -> HeldOut:
    """The given customers each bought their missing product in the 28 days after the dataset."""
    ids = data.space.customers.ids[list(customers)]
    queries = ask(data, ids, data.customer_segment[list(customers)])
    n = len(customers)
    product = np.array([missing(c, data.n_products) for c in customers], dtype=np.int32)
    ones = np.ones(n, dtype=np.float32)
    truth = Truth(np.arange(n + 1, dtype=np.int64), product, ones, ones, np.zeros(n, dtype=np.int64))
    return HeldOut(queries, truth, ids, queries, truth, ids, 100, 127)
