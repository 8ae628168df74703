"""One assortment problem: a choice model, what each sold unit earns, and the rules the set must obey.

Three models share one form. A type k of visitor buys product j of the carried set S with probability

    v_kj / (v_k0 + sum_{i in S} v_ki)                                     multinomial and mixed logit
    a_g V_g^gamma_g / (v_0 + sum_h a_h V_h^gamma_h) * v_j / V_g           nested logit, V_g = sum over S in nest g

(McFadden 1978). Preferences v are exp(utility), outside preference v_0 = exp(outside utility); each type has a scale
of its own, so that no utility overflows. Shapes: n products, `types` visitor types, `nests` nests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from recsys.assortment.rules import Rule
from recsys.contract import F64, I32, Flags


class Model(StrEnum):
    """The choice models an assortment can be chosen under."""

    MNL = "mnl"
    NESTED_LOGIT = "nested_logit"
    MIXED_LOGIT = "mixed_logit"


@dataclass(frozen=True)
class Nests:
    """Which nest a product is in, and how alike the products of a nest are."""

    of: I32  # [n] nest of each product
    dissimilarity: F64  # [nests] gamma, in (0, 1]; 1 = no nest
    attraction: F64  # [nests] a_g > 0, the nest's scale


@dataclass(frozen=True)
class Pricing:
    """Prices to be chosen together with the set: utility falls by `sensitivity` per unit of money."""

    price: F64  # [n] the price the preferences belong to
    sensitivity: F64  # [n] > 0, per unit of money
    low: F64  # [n] lowest price ever observed
    high: F64  # [n] highest price ever observed
    cost: F64  # [n] what a unit costs; 0 maximises revenue


@dataclass(frozen=True)
class Instance:
    """Money is per visitor in the unit of `revenue`."""

    model: Model
    preference: F64  # [types, n] v >= 0
    outside: F64  # [types] v_0 >= 0
    revenue: F64  # [n] earned per unit sold: the price, or the margin when the objective is profit
    weight: F64  # [types] >= 0, sums to 1
    rules: tuple[Rule, ...] = ()
    nests: Nests | None = None
    pricing: Pricing | None = None
    ids: tuple[str, ...] = ()  # empty: products are called by their row number
    objective: str = "revenue"
    source: str = ""  # where the probabilities come from, e.g. "calibrated probabilities of als_256"
    current: Flags | None = None  # [n] what is carried today, where known

    @property
    def n(self) -> int:
        return len(self.revenue)

    def name(self, row: int) -> str:
        """The product's id, or its row number when the instance has no ids."""
        return self.ids[row] if self.ids else str(row)


def shares(instance: Instance, carried: Flags) -> F64:
    """float64[n]: probability that a visitor buys each product when exactly `carried` is offered."""
    if instance.nests is not None:
        return _nested_shares(instance, instance.nests, carried)
    offered = np.where(carried, instance.preference, 0.0)
    total = instance.outside + offered.sum(axis=1)
    per_type = np.divide(instance.weight, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(per_type @ offered, dtype=np.float64)


def value(instance: Instance, carried: Flags) -> float:
    """Expected money per visitor when exactly `carried` is offered at its stated revenues."""
    return float(shares(instance, carried) @ instance.revenue)


def _nested_shares(instance: Instance, nests: Nests, carried: Flags) -> F64:
    offered = np.where(carried, instance.preference[0], 0.0)
    within = np.bincount(nests.of, weights=offered, minlength=len(nests.dissimilarity))
    attraction = np.where(within > 0, nests.attraction * within**nests.dissimilarity, 0.0)
    total = instance.outside[0] + attraction.sum()
    of_nest = np.divide(attraction, within * total, out=np.zeros_like(within), where=within > 0)
    return np.asarray(offered * of_nest[nests.of], dtype=np.float64)


def preferences(utility: F64, outside: F64) -> tuple[F64, F64]:
    """(v [types, n], v_0 [types]) of utilities [types, n] and outside utilities [types]: the largest of a type is 1."""
    top = np.maximum(utility.max(axis=1, initial=-np.inf), outside)[:, None]
    return np.exp(utility - top), np.exp(outside - top[:, 0])


def single(instance: Instance, k: int) -> Instance:
    """The same products before visitors of type k alone: a multinomial logit."""
    return replace(
        instance, model=Model.MNL, preference=instance.preference[k : k + 1], outside=instance.outside[k : k + 1],
        weight=np.ones(1), nests=None,
    )  # fmt: skip
