"""Tiny Datasets with a known answer, shared by the tests. Sizes differ on every axis, so a transposed one fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from recsys.contract import (
    DAY,
    Baskets,
    Catalogue,
    Dataset,
    Events,
    Features,
    Index,
    Queries,
    Space,
    stack_rows,
)

NOON = 1_700_000_000


def names(prefix: str, n: int) -> Index:
    """`n` ids in row order: c000, c001, ..."""
    return Index.of(f"{prefix}{i:03d}" for i in range(n))


def dataset(
    histories: Sequence[Sequence[int]],
    n_products: int,
    *,
    days_ago: Sequence[Sequence[float]] | None = None,
    guests: Sequence[Sequence[int]] = (),
    segment: Sequence[int] | None = None,
    n_segments: int = 2,
    as_of: int = NOON,
) -> Dataset:
    """Customers with these products, every customer one order unless `days_ago` dates each line; guest orders too."""
    days_ago = days_ago or [[1.0] * len(row) for row in histories]
    n = len(histories)
    who = np.array([0] * n if segment is None else segment, dtype=np.int32)
    events = _events(histories, days_ago, as_of)
    return Dataset(
        space=Space(names("c", n), names("p", n_products), names("s", 1), names("seg", n_segments)),
        events=events,
        baskets=_baskets(histories, days_ago, guests, who, n_products, as_of),
        catalogue=catalogue(n_products),
        customer_features=Features.none(n),
        product_features=Features.none(n_products),
        customer_segment=who,
        as_of=as_of,
    )


def _events(histories: Sequence[Sequence[int]], days_ago: Sequence[Sequence[float]], as_of: int) -> Events:
    events = stack_rows(histories)
    time = np.array([as_of - d * DAY for row in days_ago for d in row], dtype=np.int64)
    owner = np.repeat(np.arange(len(events)), np.diff(events.start))
    order = np.lexsort((events.product, time, owner))
    return dataclasses.replace(events, product=events.product[order], time=time[order])


def _baskets(
    histories: Sequence[Sequence[int]],
    days_ago: Sequence[Sequence[float]],
    guests: Sequence[Sequence[int]],
    segment: np.ndarray,
    m: int,
    as_of: int,
) -> Baskets:
    """One order per customer and day, then the guests' orders, a day before the as-of."""
    orders: dict[tuple[int, float], list[int]] = {}
    for row, (products, days) in enumerate(zip(histories, days_ago, strict=True)):
        for product, day in zip(products, days, strict=True):
            orders.setdefault((row, day), []).append(product)
    keys = [*orders, *[(-1, 1.0)] * len(guests)]
    lines = [*orders.values(), *[list(g) for g in guests]]
    customer = np.array([row for row, _ in keys], dtype=np.int32)
    owner = np.array([segment[row] if row >= 0 else -1 for row in customer], dtype=np.int32)
    time = np.array([as_of - day * DAY for _, day in keys], dtype=np.int64)
    return Baskets(stack_rows(lines).csr(m), customer, owner, time)


def catalogue(m: int) -> Catalogue:
    return Catalogue(
        title=np.array([f"product {j}" for j in range(m)], dtype=object),
        seller=np.zeros(m, dtype=np.int32),
        category=np.array(["a", "b"] * m, dtype=object)[:m],
        price=np.linspace(1, 2, m).astype(np.float32),
        available=np.ones(m, dtype=bool),
        design=np.array([""] * m, dtype=object),
    )


def queries(
    data: Dataset,
    customers: Sequence[int] | None = None,
    *,
    history: Sequence[Sequence[int]] | None = None,
    basket: Sequence[Sequence[int]] | None = None,
    segment: Sequence[int] | None = None,
) -> Queries:
    """The customers of `data` as they ask now; -1 is somebody unknown, with `history` in place of the known one."""
    chosen = range(len(data.space.customers)) if customers is None else customers
    who = np.array(list(chosen), dtype=np.int32)
    n, m = len(who), data.n_products
    past = data.events.take(who)
    if history is not None:
        past = stack_rows(history)
        past = dataclasses.replace(past, time=past.time + data.as_of - DAY)
    known = np.maximum(who, 0)
    where = np.where(who >= 0, data.customer_segment[known], -1).astype(np.int32)
    features = data.customer_features.matrix[known].multiply((who >= 0)[:, None]).tocsr().astype(np.float32)
    return Queries(
        space=data.space,
        customer=who,
        history=past,
        basket=None if basket is None else stack_rows(basket).csr(m),
        features=Features(sparse.csr_matrix(features), data.customer_features.columns),
        segment=where if segment is None else np.array(segment, dtype=np.int32),
        time=np.full(n, data.as_of, dtype=np.int64),
    )


def checkerboard(u: int = 22, m: int = 16) -> Dataset:
    """Even customers buy even products, odd ones odd products; each misses the one product it must be offered."""
    histories = []
    for c in range(u):
        own = [j for j in range(m) if j % 2 == c % 2]
        histories.append([j for j in own if j != missing(c, m)])
    return with_features(dataset(histories, m, segment=[c % 2 for c in range(u)], n_segments=3))


def missing(customer: int, m: int = 16) -> int:
    """The product the checkerboard holds back from this customer."""
    return 2 * (customer // 2 % (m // 2)) + customer % 2


def with_features(data: Dataset) -> Dataset:
    """Five customer columns and seven product columns; the parity column of each is the one that tells."""
    u, m = len(data.space.customers), data.n_products
    columns = (_one_hot(u, 5, "f"), _one_hot(m, 7, "g"))
    return dataclasses.replace(data, customer_features=columns[0], product_features=columns[1])


def _one_hot(n: int, width: int, prefix: str) -> Features:
    """Column 0 or 1 says even or odd; one of the others is noise."""
    cells = np.zeros((n, width), dtype=np.float32)
    rows = np.arange(n)
    cells[rows, rows % 2] = 1
    cells[rows, 2 + rows // 2 % (width - 2)] = 1
    return Features(sparse.csr_matrix(cells), Index.of(f"{prefix}:{i}" for i in range(width)))


def planted(u: int = 300, m: int = 40, d: int = 3, per_customer: int = 8, seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """Purchases drawn from softmax(customer . product) factors, and the true scores [u, m]."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(u, d)) @ rng.normal(size=(d, m)) * 1.5
    noisy = truth + rng.gumbel(size=truth.shape)
    histories = [sorted(np.argsort(-row)[:per_customer].tolist()) for row in noisy]
    return dataset(histories, m, segment=[c % 3 for c in range(u)], n_segments=3), truth
