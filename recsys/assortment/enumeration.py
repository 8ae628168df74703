"""Few products: every set is tried, so the answer needs no proof."""

from __future__ import annotations

import numpy as np

from recsys.assortment.instance import Instance
from recsys.assortment.region import Region, matrix
from recsys.assortment.rules import TOLERANCE
from recsys.contract import F64, Flags

PRODUCTS = 12  # free ones: 4,096 sets


def best_set(instance: Instance, region: Region) -> Flags | None:
    """bool[n]: the best set, or None when more than `PRODUCTS` products are neither fixed in nor out."""
    free = np.flatnonzero(~region.forced & ~region.barred)
    if len(free) > PRODUCTS:
        return None
    sets = np.repeat(region.forced[None, :], 1 << len(free), axis=0)
    sets[:, free] = (np.arange(len(sets))[:, None] >> np.arange(len(free))) & 1
    values = np.where(_allowed(region, sets), _values(instance, sets.astype(np.float64)), -np.inf)
    return np.asarray(sets[values.argmax()])


def _allowed(region: Region, sets: Flags) -> Flags:
    A, low, high = matrix(region)
    load = (A @ sets.T).T
    kept = ((load >= low - TOLERANCE) & (load <= high + TOLERANCE)).all(axis=1)
    return np.asarray(kept & (sets.sum(axis=1) <= region.cap))


def _values(instance: Instance, sets: F64) -> F64:
    """[sets] expected money per visitor."""
    if instance.nests is not None:
        return _nested_values(instance, sets)
    total = instance.outside + sets @ instance.preference.T  # [sets, types]
    money = sets @ (instance.preference * instance.revenue).T
    return np.asarray(np.divide(money, total, out=np.zeros_like(money), where=total > 0) @ instance.weight)


def _nested_values(instance: Instance, sets: F64) -> F64:
    assert instance.nests is not None
    nests, v = instance.nests, instance.preference[0]
    of = (nests.of[:, None] == np.arange(len(nests.dissimilarity))).astype(np.float64)
    V, W = (sets * v) @ of, (sets * (v * instance.revenue)) @ of
    some = V > 0
    power = np.where(some, nests.attraction * np.where(some, V, 1.0) ** nests.dissimilarity, 0.0)
    money = (power * np.divide(W, V, out=np.zeros_like(V), where=some)).sum(axis=1)
    total = instance.outside[0] + power.sum(axis=1)
    return np.asarray(np.divide(money, total, out=np.zeros_like(money), where=total > 0))
