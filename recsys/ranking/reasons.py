"""A short reason beside every recommendation, read off the customer's own history and the baskets of all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from recsys.contract import I32, I64, Catalogue, Events, Rows, Space, Texts

PAIRS_AT_ONCE = 4_000_000


def together(baskets: Rows) -> Rows:
    """[m, m] csr: orders that hold both products; the diagonal is 0."""
    held = baskets.copy()
    held.data = np.ones_like(held.data)
    counts = (held.T @ held).tocsr()
    counts.setdiag(0)
    counts.eliminate_zeros()
    counts.sum_duplicates()  # sorted rows, so that single cells are found by bisection
    return counts


def explain(lists: I32, history: Events, counts: Rows, segment: I32, space: Space, catalogue: Catalogue) -> Texts:
    """object[n, k] of text: bought often, bought together with one of your products, or popular where you are."""
    n, k = lists.shape
    out = np.full((n, k), "", dtype=object)
    for rows in _runs(history.start * k, n):
        own = history.take(np.arange(rows.start, rows.stop, dtype=np.int32))
        out[rows] = _explain(lists[rows], own, counts, segment[rows], space, catalogue)
    return out


def _runs(pairs: I64, n: int) -> list[slice]:
    """Runs of rows with about PAIRS_AT_ONCE pairs of own and listed products each."""
    cuts = np.searchsorted(pairs, np.arange(PAIRS_AT_ONCE, pairs[-1], PAIRS_AT_ONCE))
    edges = np.unique(np.concatenate([[0], cuts, [n]]))
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _explain(lists: I32, own: Events, counts: Rows, segment: I32, space: Space, catalogue: Catalogue) -> Texts:
    n, k = lists.shape
    times = own.csr(len(space.products))
    times.data = np.ones_like(times.data)
    best, strength = _partner(lists, own, counts)
    flat, row = np.maximum(lists, 0), np.repeat(np.arange(n), k)
    bought = np.asarray(times[row, flat.ravel()]).reshape(n, k) > 0
    out = np.empty((n, k), dtype=object)
    for i in range(n):
        where = space.segments.ids[segment[i]] if segment[i] >= 0 else "the shop"
        for j in range(k):
            if lists[i, j] < 0:
                out[i, j] = ""
            elif bought[i, j]:
                out[i, j] = "you buy this often"
            elif strength[i, j] > 0:
                out[i, j] = f"bought together with {_name(best[i, j], space, catalogue)}"
            else:
                out[i, j] = f"popular in {where}"
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


def _name(product: int, space: Space, catalogue: Catalogue) -> str:
    return str(catalogue.title[product]).strip() or str(space.products.ids[product])
