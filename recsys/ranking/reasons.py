"""A short reason beside every recommendation, read off the customer's own history and the baskets of all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from recsys.contract import I32, I64, Dataset, Events, Flags, Rows, Texts

PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Known:
    """What reasons are read off, made once per dataset."""

    together: Rows  # [m, m] orders that hold both products
    sold: Flags  # [segments + 1, m] was the product sold there? The last row, of no segment, is False
    names: Texts  # [m] titles, ids where a product has none
    segments: Texts


def known(data: Dataset) -> Known:
    """Co-purchases, sales per segment and names of a dataset."""
    held = data.baskets.lines.copy()
    held.data = np.ones_like(held.data)
    sold = np.zeros((len(data.space.segments) + 1, held.shape[0]), dtype=bool)
    segment = np.repeat(data.baskets.segment, np.diff(held.indptr))
    sold[segment[segment >= 0], held.indices[segment >= 0]] = True
    titles = (str(title).strip() for title in data.catalogue.title)
    names = [title or str(i) for title, i in zip(titles, data.space.products.ids, strict=True)]
    return Known(together(held), sold, np.array(names, dtype=object), data.space.segments.ids)


def together(baskets: Rows) -> Rows:
    """[m, m] csr: orders that hold both products; the diagonal is 0. baskets: csr of ones."""
    counts = (baskets.T @ baskets).tocsr()
    counts.setdiag(0)
    counts.eliminate_zeros()
    counts.sum_duplicates()  # sorted rows, so that single cells are found by bisection
    return counts


def explain(lists: I32, history: Events, segment: I32, facts: Known) -> Texts:
    """object[n, k] of text: bought before, bought together with one of your products, or popular where you are."""
    n, k = lists.shape
    out = np.full((n, k), "", dtype=object)
    for rows in _runs(history.start * k, n):
        own = history.take(np.arange(rows.start, rows.stop, dtype=np.int32))
        out[rows] = _explain(lists[rows], own, segment[rows], facts)
    return out


def _runs(pairs: I64, n: int) -> list[slice]:
    """Runs of rows with about PAIRS_AT_ONCE pairs of own and listed products each."""
    cuts = np.searchsorted(pairs, np.arange(PAIRS_AT_ONCE, pairs[-1], PAIRS_AT_ONCE))
    edges = np.unique(np.concatenate([[0], cuts, [n]]))
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _explain(lists: I32, own: Events, segment: I32, facts: Known) -> Texts:
    n, k = lists.shape
    flat, row = np.maximum(lists, 0).ravel(), np.repeat(np.arange(n), k)
    best, strength = _partner(lists, own, facts.together)
    times = replace(own, weight=np.ones_like(own.weight)).csr(len(facts.names))  # orders, not units
    bought = np.asarray(times[row, flat]).reshape(n, k)
    here = facts.sold[np.repeat(segment, k), flat].reshape(n, k)
    out = np.full((n, k), "", dtype=object)
    for i, j in zip(*np.nonzero(lists >= 0), strict=True):
        if bought[i, j]:
            out[i, j] = "you buy this often" if bought[i, j] > 1 else "you bought this before"
        elif strength[i, j] > 0:
            out[i, j] = f"bought together with {facts.names[best[i, j]]}"
        else:
            out[i, j] = f"popular in {facts.segments[segment[i]] if here[i, j] else 'the shop'}"
    return out


def _partner(lists: I32, own: Events, counts: Rows) -> tuple[I32, I32]:
    """For every listed product the product of the own history it was most often bought together with."""
    n, k = lists.shape
    m = counts.shape[0]
    best, strength = np.full((n, k), -1, dtype=np.int32), np.zeros((n, k), dtype=np.int32)
    size = np.diff(own.start)
    has = np.flatnonzero(size > 0)
    if not len(has):
        return best, strength
    listed = np.maximum(lists[np.repeat(np.arange(n), size)], 0)  # [events, k]
    count = np.asarray(counts[np.repeat(own.product, k), listed.ravel()]).reshape(-1, k)
    key = count.astype(np.int64) * (m + 1) + (m - own.product[:, None])  # most often, then the lower row
    top = np.maximum.reduceat(key, own.start[:-1][has], axis=0)
    best[has], strength[has] = m - top % (m + 1), top // (m + 1)
    return best, strength
