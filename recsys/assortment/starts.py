"""Where local search begins under mixed logit, and what the search must never be worse than."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from recsys.assortment import mnl
from recsys.assortment.instance import Instance, single
from recsys.assortment.region import Region
from recsys.contract import Flags

TYPES = 4  # the heaviest types whose own best set is tried


def starts(instance: Instance, region: Region) -> Iterator[Flags]:
    """Sets of the region: the forced products alone, the best revenue-ordered set, best sets of pooled visitors and
    of the heaviest types."""
    for carried in (region.forced, revenue_ordered(instance, region)):
        if region.allows(carried):
            yield carried.copy()
    outside = np.where(instance.outside > 0, instance.outside, 1.0)
    pooled = (instance.weight @ (instance.preference / outside[:, None]))[None, :]
    everybody = replace(instance, preference=pooled, outside=np.ones(1), weight=np.ones(1), nests=None)
    yield mnl.best_set(everybody, region)
    for k in np.argsort(-instance.weight, kind="stable")[:TYPES]:
        yield mnl.best_set(single(instance, int(k)), region)


def revenue_ordered(instance: Instance, region: Region) -> Flags:
    """The best of the sets that carry the products above some revenue, within the cap."""
    order = np.argsort(-instance.revenue, kind="stable")
    order = order[~region.barred[order] & (instance.revenue[order] > 0)][: region.cap]
    reached = np.zeros(len(order))
    for weight, v, v0 in zip(instance.weight, instance.preference, instance.outside, strict=True):
        reached += weight * np.cumsum((v * instance.revenue)[order]) / (v0 + np.cumsum(v[order]) + 1e-300)
    carried = np.zeros(instance.n, dtype=np.bool_)
    if len(order) and reached.max() > 0:
        carried[order[: int(reached.argmax()) + 1]] = True
    return carried
