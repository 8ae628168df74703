"""Purchases in visits: what is predicted, and from which rest of the history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from recsys.contract import DAY, F32, F64, I32, I64, Events, Flags, Rows
from recsys.scorers.tower import month_of

HALF_LIFE_DAYS = 120.0  # of a purchase's chance to be predicted in an epoch
OLDEST = 10.0  # half-lives: what is older is as old
MOST_TARGETS = 64  # of one visit: they share one pooled history, which is what costs time


@dataclass(frozen=True)
class Purchases:
    """Distinct (customer, product, day), by customer and product; n rows."""

    start: I64  # [u+1]
    customer: I32  # [n]
    product: I32  # [n]
    month: I32  # [n] 0 (January) .. 11
    chance: F32  # [n] to be predicted in an epoch: 1 for the newest, less the older; never 0

    def __len__(self) -> int:
        return len(self.product)

    @classmethod
    def of(cls, events: Events) -> Purchases:
        """The purchases of every customer; a product bought twice on a day counts once."""
        customer = np.repeat(np.arange(len(events), dtype=np.int32), np.diff(events.start))
        day = events.time // DAY
        order = np.lexsort((day, events.product, customer))
        customer, product, day = customer[order], events.product[order], day[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(customer) != 0) | (np.diff(product) != 0) | (np.diff(day) != 0)
        customer, product = customer[new], product[new]
        start = np.searchsorted(customer, np.arange(len(events) + 1)).astype(np.int64)
        day = day[new]
        age = np.minimum((day.max(initial=0) - day) / HALF_LIFE_DAYS, OLDEST)
        return cls(start, customer, product, month_of(day * DAY).astype(np.int32), np.exp2(-age).astype(np.float32))

    def counts(self, m: int) -> F64:
        """float64[m]: how often each product is predicted in an epoch, on average."""
        return np.bincount(self.product, weights=self.chance, minlength=m).astype(np.float64)


@dataclass(frozen=True)
class Visits:
    """One pass over the purchases: each is a target once or not. Those of one visit leave the history together."""

    visit: I64  # [n] of each purchase; -1: no target this time
    customer: I32  # [visits]
    month: I32  # [visits] of its targets, which are of one month
    start: I64  # [visits+1]
    target: I64  # rows of the purchases, by visit

    def batches(self, size: int) -> Iterator[slice]:
        """Consecutive visits that hold about `size` targets."""
        cuts = np.searchsorted(self.start, np.arange(0, len(self.target), size))
        cuts = np.unique(np.append(cuts, len(self.customer)))
        yield from (slice(int(a), int(b)) for a, b in pairwise(cuts))


def shuffle(purchases: Purchases, rng: np.random.Generator, most: int = MOST_TARGETS) -> Visits:
    """Visits in random order: at most `most` targets, and at most half of what the customer bought (at least one)."""
    bought = np.diff(purchases.start)
    group = purchases.customer.astype(np.int64) * 12 + purchases.month
    order = np.lexsort((rng.random(len(purchases), dtype=np.float32), group))
    order = order[rng.random(len(order), dtype=np.float32) < purchases.chance[order]]
    group = group[order]
    size = np.clip(bought // 2, 1, most)[purchases.customer[order]]
    place = np.arange(len(order)) - np.searchsorted(group, group)
    new = place % size == 0
    visit_of = np.cumsum(new) - 1
    first = order[new]
    moved = rng.permutation(len(first))
    visit = np.full(len(purchases), -1, dtype=np.int64)
    visit[order] = moved[visit_of]
    back = np.argsort(moved)
    target = np.sort(order)
    target = target[np.argsort(visit[target], kind="stable")]
    start = np.searchsorted(visit[target], np.arange(len(first) + 1)).astype(np.int64)
    return Visits(visit, purchases.customer[first[back]], purchases.month[first[back]], start, target)


@dataclass(frozen=True)
class Past:
    """What the customers of some visits bought: all of it, and the part left when the targets are hidden."""

    owner: I64  # [k] visit of each purchase, from 0
    product: I32  # [k]
    visible: Flags  # [k]

    @classmethod
    def of(cls, purchases: Purchases, visits: Visits, rows: slice) -> Past:
        customer = visits.customer[rows]
        begin, length = purchases.start[customer], np.diff(purchases.start)[customer]
        owner = np.repeat(np.arange(len(customer)), length)
        at = np.arange(len(owner)) + np.repeat(begin - np.cumsum(length) + length, length)
        return cls(owner, purchases.product[at], visits.visit[at] != owner + rows.start)

    def pooled(self, n: int, m: int) -> Rows:
        """[n, m] csr: 1/sqrt(k) for each of the k distinct products left in a history."""
        owner, product = self.owner[self.visible], self.product[self.visible]
        new = np.ones(len(owner), dtype=bool)  # a product bought on several days stands next to itself
        new[1:] = (np.diff(owner) != 0) | (np.diff(product) != 0)
        owner, product = owner[new], product[new]
        size = np.bincount(owner, minlength=n)
        weight = (1 / np.sqrt(np.maximum(size, 1))).astype(np.float32)
        return sparse.csr_matrix((weight[owner], product, np.append(0, np.cumsum(size))), shape=(n, m))
