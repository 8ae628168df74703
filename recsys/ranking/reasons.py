"""A short reason beside every recommendation, read off the customer's own history and the baskets of all."""

from __future__ import annotations

import numpy as np

from recsys.contract import I32, Catalogue, Events, Rows, Space, Texts

PAIRS_AT_ONCE = 4_000_000


def together(baskets: Rows) -> Rows:
    """[m, m] csr: orders that hold both products; the diagonal is 0."""
    held = baskets.copy()
    held.data = np.ones_like(held.data)
    counts = (held.T @ held).tocsr()
    counts.setdiag(0)
    counts.eliminate_zeros()
    return counts


def explain(lists: I32, history: Events, counts: Rows, segment: I32, space: Space, catalogue: Catalogue) -> Texts:
    """object[n, k] of text: bought often, bought together with one of your products, or popular where you are."""
    n, k = lists.shape
    out = np.full((n, k), "", dtype=object)
    size = np.diff(history.start)
    step = max(1, PAIRS_AT_ONCE // max(int(size.max(initial=1)) * k, 1))
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        own = history.take(np.arange(rows.start, rows.stop, dtype=np.int32))
        out[rows] = _explain(lists[rows], own, counts, segment[rows], space, catalogue)
    return out


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
    size = np.diff(own.start)
    row = np.repeat(np.arange(n), size)
    pairs_row = np.repeat(row, k)
    item = np.repeat(own.product, k)
    target = lists[row].ravel()
    if not len(item):
        return np.full((n, k), -1, np.int32), np.zeros((n, k), np.int32)
    count = np.asarray(counts[item, np.maximum(target, 0)]).ravel()
    place = np.tile(np.arange(k), len(row))
    order = np.lexsort((-item, count, place, pairs_row))
    last = np.flatnonzero(np.append(np.diff(pairs_row[order] * k + place[order]) != 0, True))
    at = order[last]
    best, strength = np.full((n, k), -1, np.int32), np.zeros((n, k), np.int32)
    best[pairs_row[at], place[at]] = item[at]
    strength[pairs_row[at], place[at]] = count[at]
    return best, strength


def _name(product: int, space: Space, catalogue: Catalogue) -> str:
    return str(catalogue.title[product]).strip() or str(space.products.ids[product])
