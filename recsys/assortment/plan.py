"""Today's set against the best one: what to keep, add and drop, and why. The table the night publishes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recsys.assortment import mnl
from recsys.assortment.instance import Instance, shares, value
from recsys.assortment.optimise import Assortment
from recsys.contract import Flags

Action = Literal["keep", "add", "drop"]


@dataclass(frozen=True)
class Change:
    """One product of today's set or of the best one."""

    product: str
    action: Action
    value: float  # per visitor, what carrying it is worth beside the rest of the best set; a drop: what it would be
    share_before: float
    share_after: float
    reason: str


def changes(instance: Instance, current: Flags, found: Assortment) -> tuple[Change, ...]:
    """Every product that is carried today or should be, the most valuable first."""
    priced = instance if found.price is None else _at(instance, found)
    before = shares(instance, current)
    rows = np.flatnonzero(current | found.carried)
    table = [_change(priced, int(row), (bool(current[row]), found), float(before[row])) for row in rows]
    return tuple(sorted(table, key=lambda change: (-change.value, change.product)))


def _change(instance: Instance, row: int, seen: tuple[bool, Assortment], before: float) -> Change:
    today, found = seen
    carried = bool(found.carried[row])
    other = found.carried.copy()
    other[row] = not carried
    difference = value(instance, found.carried) - value(instance, other)
    worth = difference if carried else -difference
    action: Action = "keep" if carried and today else "add" if carried else "drop"
    return Change(instance.name(row), action, worth, before, float(found.shares[row]), _reason(action, worth))


def _reason(action: Action, worth: float) -> str:
    if action == "drop":
        if worth > 0:
            return f"worth {worth:.4g} per visitor, but a rule leaves no room for it"
        return f"its buyers earn more with other products: carrying it costs {-worth:.4g} per visitor"
    if worth < 0:
        return f"carried because of a rule, at a cost of {-worth:.4g} per visitor"
    return f"earns {worth:.4g} per visitor beyond what its buyers would spend on the others"


def _at(instance: Instance, found: Assortment) -> Instance:
    assert instance.pricing is not None
    assert found.price is not None
    price = np.where(found.carried, found.price, instance.pricing.price)
    return replace(mnl.at_prices(instance, instance.pricing, price), ids=instance.ids)
