"""Held-out days: who came back after the cutoff, what they bought, what was in their baskets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.config import Settings
from recsys.contract import I32, I64, Dataset, Events, Features, Queries, Rows, Split, Texts, Truth
from recsys.data.dataset import Frame, _rows, sales_until


@dataclass(frozen=True)
class HeldOut:
    """What the days after a dataset's cutoff showed, in that dataset's space (products unknown to it are -1).

    `queries` has one row per customer who bought, `baskets` one per order with at least two distinct known products:
    one of them, drawn by seed, is in the query's basket; the first product of its truth is the target, likewise
    drawn, and the rest of the order follows.
    """

    queries: Queries
    truth: Truth
    ids: Texts  # [n] customer ids, cold ones included
    baskets: Queries
    basket_truth: Truth
    basket_ids: Texts  # [baskets] customer ids, a guest is its own order's id
    first_day: int
    last_day: int


def hold_out(lines: Frame, data: Dataset, last_day: int, first_day: int, settings: Settings) -> HeldOut:
    """Orders of local days first_day..last_day as questions to scorers fitted on `data`."""
    sales = sales_until(lines, last_day)
    sales = sales.filter(sales["day"] >= first_day)
    truth, ids = _customer_truth(sales, data)
    baskets, basket_truth, basket_ids = _basket_truth(sales, data, settings.night.seed)
    segment = _first_segment(sales, ids, data)
    return HeldOut(
        queries=ask(data, ids, segment),
        truth=truth,
        ids=ids,
        baskets=baskets,
        basket_truth=basket_truth,
        basket_ids=basket_ids,
        first_day=first_day,
        last_day=last_day,
    )


def ask(data: Dataset, ids: Texts, segment: I32, basket: Rows | None = None) -> Queries:
    """Queries of customers at the cutoff; an id the dataset does not know gets row -1 and an empty history."""
    customer = data.space.customers.rows(ids)
    known = customer >= 0
    own = np.where(known, data.customer_segment[np.maximum(customer, 0)] if len(data.customer_segment) else -1, -1)
    segment = np.where(segment >= 0, segment, own).astype(np.int32)
    return Queries(
        space=data.space,
        customer=customer,
        history=data.events.take(customer),
        basket=basket,
        features=feature_rows(data, customer, segment),
        segment=segment,
        time=np.full(len(ids), data.as_of, dtype=np.int64),
        market=np.full(len(ids), -1, dtype=np.int32),
        offers=data.offers,
    )


def feature_rows(data: Dataset, customer: I32, segment: I32) -> Features:
    """Feature rows of known customers; an unknown one has its segment only."""
    columns = data.customer_features.columns
    known = customer >= 0
    pick = sparse.csr_matrix(
        (np.ones(known.sum(), np.float32), (np.flatnonzero(known), customer[known])),
        shape=(len(customer), len(data.space.customers)),
    )
    rows = (pick @ data.customer_features.matrix).astype(np.float32)
    column_of = columns.rows(f"segment:{s}" for s in data.space.segments.ids)
    cold = np.flatnonzero(~known & (segment >= 0))
    cold = cold[column_of[segment[cold]] >= 0] if len(cold) and len(column_of) else cold[:0]
    extra = sparse.csr_matrix(
        (np.ones(len(cold), np.float32), (cold, column_of[segment[cold]] if len(cold) else cold)),
        shape=(len(customer), len(columns)),
    )
    return Features(sparse.csr_matrix(rows + extra), columns)


def unseen(truth: Truth, history: Events, m: int) -> Truth:
    """Only the bought products that are new to their customer (products outside the space are new)."""
    seen = history.seen(m)
    owner = np.repeat(np.arange(len(truth)), np.diff(truth.start))
    flags = np.asarray(seen[owner, np.maximum(truth.product, 0)]).ravel() > 0 if len(owner) else np.zeros(0, bool)
    return keep(truth, ~flags | (truth.product < 0))


def keep(truth: Truth, flags: Any) -> Truth:
    """The flagged products of a truth, rows kept even when they become empty."""
    owner = np.repeat(np.arange(len(truth)), np.diff(truth.start))
    counts = np.bincount(owner[flags], minlength=len(truth))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Truth(start, truth.product[flags], truth.quantity[flags], truth.revenue[flags], truth.time[flags])


def validation_split(data: Dataset, fraction: float = 0.1) -> Split:
    """Hide the newest `fraction` of each customer's distinct products (at least one of two); the rest is the past.

    Where times tie, a hash of (customer, product) decides. Used for early stopping, blending and tuning.
    """
    events = data.events
    owner = np.repeat(np.arange(len(events)), np.diff(events.start))
    key = owner * np.int64(data.n_products) + events.product
    pairs, first = np.unique(key, return_index=True)
    user, product = pairs // data.n_products, (pairs % data.n_products).astype(np.int32)
    mixed = _mix(pairs)
    order = np.lexsort((mixed, events.time[first], user))
    size = np.bincount(user, minlength=len(events))
    hidden_of = np.where(size >= 2, np.maximum(1, np.round(size * fraction)), 0).astype(np.int64)
    position = np.arange(len(order)) - np.repeat(np.concatenate([[0], np.cumsum(size)[:-1]]), size)
    hidden = np.zeros(len(pairs), dtype=bool)
    hidden[order] = position >= np.repeat(size - hidden_of, size)
    return _split_pairs(data, pairs[hidden], key, user[hidden], product[hidden])


def _mix(keys: I64) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014).

    A product with the golden ratio alone hides neighbours on its ring together; a model then learns that whoever
    lacks one lacks the other, and ranks what was hidden too low (ALS on MovieLens-1M: HR@10 .78 in place of .84).
    """
    z = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _split_pairs(data: Dataset, hidden: I64, key: I64, user: I64, product: I32) -> Split:
    from dataclasses import replace

    events = data.events
    stays = ~np.isin(key, hidden)
    owner = np.repeat(np.arange(len(events)), np.diff(events.start))[stays]
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(events)))]).astype(np.int64)
    past = Events(start, events.product[stays], events.time[stays], events.weight[stays], events.market[stays])
    train = replace(data, events=past, baskets=_without(data, hidden))
    asked = np.unique(user)
    truth = _ragged(np.searchsorted(asked, user), product, len(asked))
    return Split(train, ask(train, data.space.customers.ids[asked], data.customer_segment[asked]), truth)


def _without(data: Dataset, hidden: I64) -> Any:
    """Baskets without the hidden (customer, product) pairs."""
    from dataclasses import replace

    lines = data.baskets.lines.tocoo()
    customer = data.baskets.customer[lines.row].astype(np.int64)
    gone = (customer >= 0) & np.isin(customer * data.n_products + lines.col, hidden)
    kept = sparse.csr_matrix((lines.data[~gone], (lines.row[~gone], lines.col[~gone])), shape=lines.shape)
    return replace(data.baskets, lines=kept)


def _ragged(owner: Any, product: I32, n: int) -> Truth:
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int64)
    ones = np.ones(len(product), dtype=np.float32)
    return Truth(start, product, ones, ones, np.zeros(len(product), dtype=np.int64))


def _customer_truth(sales: Any, data: Dataset) -> tuple[Truth, Texts]:
    import polars as pl

    bought = (
        sales.filter(pl.col("customer").is_not_null())
        .group_by("customer", "product")
        .agg(pl.col("units").sum(), pl.col("revenue").sum(), pl.col("time").min())
        .sort("customer", "product")
    )
    ids, counts = np.unique(np.array(bought["customer"].to_list(), dtype=object), return_counts=True)
    truth = Truth(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        product=_rows(bought["product"], data.space.products),
        quantity=bought["units"].to_numpy().astype(np.float32),
        revenue=bought["revenue"].to_numpy().astype(np.float32),
        time=bought["time"].to_numpy().astype(np.int64),
    )
    return truth, ids


def _first_segment(sales: Any, ids: Texts, data: Dataset) -> I32:
    known = sales.filter(sales["customer"].is_not_null()).sort("time", "order")
    first = known.unique("customer", keep="first", maintain_order=True)
    of = dict(zip(first["customer"].to_list(), first["segment"].to_list(), strict=True))
    return data.space.segments.rows(of[i] for i in ids)


def _basket_truth(sales: Any, data: Dataset, seed: int) -> tuple[Queries, Truth, Texts]:
    """One query per order of two or more known products: query item and target drawn by seed."""
    product = _rows(sales["product"], data.space.products)
    known = sales.filter(product >= 0)
    order = known["order"].rank("dense").to_numpy().astype(np.int64) - 1 if len(known) else np.zeros(0, np.int64)
    pairs = np.unique(order * data.n_products + product[product >= 0])
    owner, item = pairs // data.n_products, (pairs % data.n_products).astype(np.int32)
    mixed = np.random.default_rng(seed).permutation(len(pairs))
    arranged = np.lexsort((mixed, owner))
    owner, item = owner[arranged], item[arranged]
    size = np.bincount(owner, minlength=0)
    big = size[owner] >= 2 if len(owner) else np.zeros(0, bool)
    owner, item = owner[big], item[big]
    orders, start = np.unique(owner, return_index=True)
    is_query = np.zeros(len(owner), dtype=bool)
    is_query[start] = True
    basket = sparse.csr_matrix(
        (np.ones(len(orders), np.float32), (np.arange(len(orders)), item[is_query])),
        shape=(len(orders), data.n_products),
    )
    rest = _ragged(np.searchsorted(orders, owner[~is_query]), item[~is_query], len(orders))
    return _basket_queries(known, order, orders, data, basket), rest, _owners(known, order, orders)


def _basket_queries(known: Any, order: I64, orders: I64, data: Dataset, basket: Rows) -> Queries:
    first = np.unique(order, return_index=True)[1][orders] if len(orders) else np.zeros(0, np.int64)
    customers = np.array([c or "" for c in known["customer"].to_list()], dtype=object)[first]
    segment = _rows(known["segment"], data.space.segments)[first]
    return ask(data, customers, segment, basket)


def _owners(known: Any, order: I64, orders: I64) -> Texts:
    first = np.unique(order, return_index=True)[1][orders] if len(orders) else np.zeros(0, np.int64)
    names = [c or f"order {o}" for c, o in zip(known["customer"].to_list(), known["order"].to_list(), strict=True)]
    return np.array(names, dtype=object)[first]
