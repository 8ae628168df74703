"""The best set, or the best set and its prices, under multinomial logit: exact.

Expected money of a set is a ratio, sum(v r) / (v_0 + sum v). A value lambda can be reached if and only if
max over sets of sum(v (r - lambda)) >= lambda v_0, and that maximum is linear in the set. Newton's method on lambda
(Dinkelbach 1967) rises to the optimum in a handful of rounds and ends there exactly; Rusmevichientong, Shen and
Shmoys (2010) give the same parametric view for a size cap. Rules only change which sets the maximum runs over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from recsys.assortment.instance import Instance, Pricing
from recsys.assortment.region import Region, choose
from recsys.contract import F64, Flags

ROUNDS = 200  # Newton needs about ten; the limit only guards against rounding that cycles


def best_set(instance: Instance, region: Region) -> Flags:
    """bool[n]: the set of the region with the largest expected money under one type of visitor."""
    v, v0, r = instance.preference[0], float(instance.outside[0]), instance.revenue

    def gain(money: float) -> F64:
        return np.asarray(v * (r - money))

    def ratio(carried: Flags, money: float) -> float:
        total = v0 + float(v[carried].sum())
        return float((v * r)[carried].sum()) / total if total > 0 else 0.0

    return climb(gain, ratio, region)[0]


def best_prices(instance: Instance, pricing: Pricing, region: Region) -> tuple[Flags, F64, float]:
    """(carried bool[n], price float64[n], expected profit per visitor), prices within the observed range.

    For a given lambda a product's gain v(p) (p - cost - lambda) has one peak, at cost + lambda + 1/sensitivity, so
    the nearest price of its range is best: the set and its prices come out of the same ratio. With wide ranges and
    one sensitivity this is the equal markup (1 + W(sum exp(a - s c - 1))) / s.
    """
    v0 = float(instance.outside[0])

    def price(money: float) -> F64:
        return np.clip(pricing.cost + money + 1.0 / pricing.sensitivity, pricing.low, pricing.high)

    def gain(money: float) -> F64:
        p = price(money)
        return _preference_at(instance, pricing, p) * (p - pricing.cost - money)

    def ratio(carried: Flags, money: float) -> float:
        p = price(money)
        v = _preference_at(instance, pricing, p)
        total = v0 + float(v[carried].sum())
        return float((v * (p - pricing.cost))[carried].sum()) / total if total > 0 else 0.0

    carried, money = climb(gain, ratio, region)
    at = price(money)
    return carried, at, ratio(carried, money)


def climb(gain: Callable[[float], F64], ratio: Callable[[Flags, float], float], region: Region) -> tuple[Flags, float]:
    """(set, lambda it was chosen at): Newton's rise over lambda.

    `gain(lambda)` is float64[n]; `ratio(set, lambda)` the money of the set as it stands at that lambda. Every ratio
    is reached by a set, so lambda never exceeds the optimum and never falls after the first round.
    """
    at = 0.0
    carried = choose(region, gain(at))
    money = ratio(carried, at)
    for _ in range(ROUNDS):
        better = choose(region, gain(money))
        reached = ratio(better, money)
        if reached <= money:
            break
        carried, at, money = better, money, reached
    return carried, at


def at_prices(instance: Instance, pricing: Pricing, price: F64) -> Instance:
    """The same market with other prices, and what a unit earns at them."""
    v = _preference_at(instance, pricing, price)[None, :]
    return dataclasses.replace(instance, preference=v, revenue=price - pricing.cost, pricing=None)


def _preference_at(instance: Instance, pricing: Pricing, price: F64) -> F64:
    v: F64 = instance.preference[0] * np.exp(-pricing.sensitivity * (price - pricing.price))
    return v
