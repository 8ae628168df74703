"""What lists are like, whoever buys from them: coverage, novelty, diversity, serendipity, exposure, data quality.

Lists are int32[n, k], best first, padded with -1; m is the number of products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.contract import F64, I32, I64, Flags, Rows


def coverage(lists: I32, m: int) -> float:
    """Share of the m products that are in at least one list."""
    return len(np.unique(lists[lists >= 0])) / m if m else float("nan")


def novelty(lists: I32, share: F64) -> F64:
    """Mean of -log2(share of customers who bought the product) over each list, float64[n]; NaN for an empty list.

    share [m]; a product nobody bought counts as the rarest bought one. Source: Zhou et al. (2010), RecTools MIUF.
    """
    bought = share[share > 0]
    surprise = -np.log2(np.maximum(share, bought.min() if len(bought) else 1.0))
    filled = lists >= 0
    return _mean_of(np.where(filled, surprise[np.maximum(lists, 0)], 0).sum(axis=1), filled.sum(axis=1))


def intra_list_diversity(lists: I32, features: Rows) -> F64:
    """Mean over the pairs of each list of 1 - cosine(features), float64[n]; NaN for lists of fewer than two products.

    features: csr [m, columns]. A product without features has cosine 0 to every other. Source: Ziegler et al. (2005).
    """
    length = np.sqrt(np.asarray(features.multiply(features).sum(axis=1), dtype=np.float64).ravel())
    directions = sparse.diags(np.divide(1, length, where=length > 0, out=np.zeros_like(length))) @ features
    filled = lists >= 0
    counts = filled.sum(axis=1)
    start = np.concatenate([[0], np.cumsum(counts)])
    members = sparse.csr_matrix((np.ones(start[-1]), lists[filled], start), shape=(len(lists), features.shape[0]))
    together = members @ directions
    # |sum of directions|^2 = own squares + twice the cosines of all pairs
    own = np.asarray(members @ (length > 0).astype(np.float64))
    cosines = np.asarray(together.multiply(together).sum(axis=1)).ravel() - own
    return 1 - _mean_of(cosines, counts * (counts - 1))


def serendipity(lists: I32, start: I64, product: I32, popularity: F64) -> F64:
    """Bought products that a popularity list would not have shown so early: float64[n], NaN without truth.

    sum over places i of bought_i x max(p(i) - p(popularity rank of product i), 0) / k with p(r) = (m + 1 - r) / m;
    equal popularity [m] shares a rank and a product nobody bought has p = 0. Source: the definition of RecTools.
    """
    m, k = len(popularity), lists.shape[1]
    levels, level = np.unique(popularity, return_inverse=True)
    expected = np.where(popularity > 0, (m + 1 - (len(levels) - level)) / m, 0)
    shown = (m - np.arange(k)) / m
    surprise = np.maximum(shown - expected[np.maximum(lists, 0)], 0)
    value = np.where(bought(lists, start, product, m), surprise, 0).sum(axis=1) / k
    return np.where(np.diff(start) > 0, value, np.nan)


def exposure(lists: I32, m: int) -> F64:
    """Attention each product gets, float64[m]: the sum of 1 / log2(1 + place) over the places it is shown at."""
    weight = np.broadcast_to(1 / np.log2(np.arange(lists.shape[1]) + 2.0), lists.shape)
    filled = lists >= 0
    return np.asarray(np.bincount(lists[filled], weights=weight[filled], minlength=m), dtype=np.float64)


def exposure_by(exposed: F64, owner: I32, n: int) -> F64:
    """Exposure of each of n owners (sellers, categories), float64[n]; owner int32[m], -1 = none."""
    owned = owner >= 0
    return np.asarray(np.bincount(owner[owned], weights=exposed[owned], minlength=n), dtype=np.float64)


def gini(exposed: F64) -> float:
    """Gini coefficient of exposure: 0 = all equal, (m - 1) / m = one has it all; NaN without exposure."""
    m, total = len(exposed), exposed.sum()
    if total <= 0:
        return float("nan")
    return float(2 * (np.arange(1, m + 1) @ np.sort(exposed)) / (m * total) - (m + 1) / m)


def top5_share(exposed: F64) -> float:
    """Share of all exposure that the five most exposed have; NaN without exposure."""
    total = exposed.sum()
    return float(np.sort(exposed)[-5:].sum() / total) if total > 0 else float("nan")


@dataclass(frozen=True)
class ListQuality:
    """Counts of customers whose list is wrong in some way."""

    customers: int
    missing: int  # no product at all
    short: int  # some, but fewer than k
    repeated: int  # the same product twice


def list_quality(lists: I32) -> ListQuality:
    """Count missing and short lists and lists that repeat a product."""
    counts = (lists >= 0).sum(axis=1)
    ordered = np.sort(lists, axis=1)
    repeats = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    short = (counts > 0) & (counts < lists.shape[1])
    return ListQuality(len(lists), int((counts == 0).sum()), int(short.sum()), int(repeats.sum()))


def bought(lists: I32, start: I64, product: I32, m: int) -> Flags:
    """Which places of the lists hold what their customer bought: bool[n, k]; product -1 is known to no list."""
    row = np.arange(len(lists), dtype=np.int64)
    known = product >= 0
    truth = np.sort((np.repeat(row, np.diff(start)) * m + product)[known])
    cells = row[:, None] * m + lists
    if not len(truth):
        return np.zeros(lists.shape, dtype=bool)
    flags: Flags = (lists >= 0) & (truth[np.minimum(np.searchsorted(truth, cells), len(truth) - 1)] == cells)
    return flags


def _mean_of(total: F64, count: I64) -> F64:
    mean: F64 = np.divide(total, count, where=count > 0, out=np.full(len(total), np.nan))
    return mean
