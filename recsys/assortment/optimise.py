"""Which products a market, page or seller should carry to earn most: the one entry point.

Multinomial and nested logit are solved exactly; mixed logit by local search with a certified upper bound. Whatever
the model, the answer has the same form: set, value, bound, gap, status, and what each binding rule costs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from recsys.assortment import enumeration, mnl, nested, search
from recsys.assortment.budget import Budget
from recsys.assortment.decomposition import certify
from recsys.assortment.instance import Instance, Model, Pricing, shares, value
from recsys.assortment.region import Region, region_of
from recsys.assortment.rules import Rule
from recsys.assortment.starts import starts
from recsys.contract import F64, Flags

PROVEN = 5e-4  # a gap up to this counts as optimal
TOLERANCE = 4e-4  # what the search for a proof aims at, so that rounding cannot lift the gap above PROVEN
SECONDS = 120.0
SEARCH = 0.2  # of the budget goes to local search at most
MOMENT, FEW = 2.0, 100_000_000  # seconds, and table entries, for what a rule costs once the budget is used up
HURRIED = (
    "The clock ended the search after {:.3g} s, before its budget did: on a faster machine the set may be better and "
    "the gap smaller."
)
SEARCHED = "local search with a certified bound"


@dataclass(frozen=True)
class Binding:
    """A rule at its limit and what it costs per visitor: the value without it minus the value with it."""

    rule: str
    cost: float
    exact: bool  # False: at least this much, found by local search


@dataclass(frozen=True)
class Assortment:
    """The set to carry. value <= the optimum <= bound; gap = (bound - value) / value; status optimal or feasible."""

    carried: Flags  # [n]
    value: float  # money per visitor
    bound: float
    status: str
    method: str
    shares: F64  # [n] purchase probability of each product, 0 where not carried
    price: F64 | None = None  # [n] when prices were chosen too
    binding: tuple[Binding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        return max(self.bound - self.value, 0.0) / max(abs(self.value), 1e-300) if self.bound > self.value else 0.0


def optimise(instance: Instance, seconds: float = SECONDS, entries: int | None = None) -> Assortment:
    """The best set under the instance's model and rules; raises UsageError when no set obeys the rules.

    `seconds` limits the search for a proof under mixed logit; a set is always returned. Given `entries` (of tables, as
    `budget` counts them) the answer is the same on every machine, as long as the seconds do not end the search first;
    where they do, a note says so.
    """
    budget = Budget.of(seconds, entries)
    region = region_of(instance.rules, instance.n)
    found = _solve(instance, region, budget)
    found = replace(found, binding=_costs(instance, found, budget))
    hurried = [HURRIED.format(seconds)] if entries is not None and budget.late else []
    return replace(found, notes=(*found.notes, *hurried, *_remarks(instance, found)))


def to_json(instance: Instance, found: Assortment) -> dict[str, Any]:
    """The documented form of docs/assortment.md."""
    rows = [int(row) for row in np.flatnonzero(found.carried)]
    earned = instance.revenue if found.price is None else found.price - _pricing(instance).cost
    products = [
        {"id": instance.name(row), "row": row, "share": float(found.shares[row]), "earns": float(earned[row])}
        | ({} if found.price is None else {"price": float(found.price[row])})
        for row in rows
    ]
    return {
        "model": instance.model.value,
        "source": instance.source,
        "objective": instance.objective,
        "set": [instance.name(row) if instance.ids else row for row in rows],
        "value": found.value,
        "bound": found.bound,
        "gap": found.gap,
        "status": found.status,
        "method": found.method,
        "outside_share": float(1.0 - found.shares.sum()),
        "products": products,
        "binding": [asdict(binding) for binding in found.binding],
        "notes": list(found.notes),
    }


def _solve(instance: Instance, region: Region, budget: Budget) -> Assortment:
    if instance.pricing is not None:
        carried, price, money = mnl.best_prices(instance, instance.pricing, region)
        return _priced(instance, instance.pricing, carried, price, money)
    if instance.nests is None and len(instance.weight) == 1:
        return _proven(instance, mnl.best_set(instance, region), "Newton on the value")
    tried = enumeration.best_set(instance, region)
    if tried is not None:
        return _proven(instance, tried, "every set tried")
    return _mixed(instance, region, budget) if instance.nests is None else _nested(instance, region, budget)


def _mixed(instance: Instance, region: Region, budget: Budget) -> Assortment:
    lent = budget.part(SEARCH)
    carried = _searched(instance, region, lent)
    budget.join(lent)
    bound, carried = certify(instance, region, carried, TOLERANCE, budget)
    return _bounded(instance, carried, bound, SEARCHED)


def _nested(instance: Instance, region: Region, budget: Budget) -> Assortment:
    exact = nested.best_set(instance, ~region.barred, region.cap)
    if region.allows(exact):
        return _proven(instance, exact, "Newton on the value over hulls of the nests' sets")
    carried = _searched(instance, region, budget)
    return _bounded(instance, carried, value(instance, exact), SEARCHED)


def _searched(instance: Instance, region: Region, budget: Budget) -> Flags:
    """The best local optimum from several starts; never worse than ADXOpt nor than the best revenue-ordered set."""
    best, money = region.forced, -np.inf
    for start in starts(instance, region):
        carried, reached = search.climb(instance, region, start, budget)
        if reached > money:
            best, money = carried, reached
        if money > 0 and not budget.lasts():  # a start that earns is there without any budget
            break
    return best


def _bounded(instance: Instance, carried: Flags, bound: float, method: str) -> Assortment:
    worth = value(instance, carried)
    found = Assortment(carried, worth, max(bound, worth), "feasible", method, shares(instance, carried))
    return replace(found, status="optimal") if found.gap <= PROVEN else found


def _proven(instance: Instance, carried: Flags, method: str) -> Assortment:
    worth = value(instance, carried)
    return Assortment(carried, worth, worth, "optimal", method, shares(instance, carried))


def _priced(instance: Instance, pricing: Pricing, carried: Flags, price: F64, money: float) -> Assortment:
    repriced = mnl.at_prices(instance, pricing, price)
    return Assortment(
        carried, money, money, "optimal", "Newton on the value, prices within their observed range",
        shares(repriced, carried), np.where(carried, price, np.nan),
    )  # fmt: skip


def _costs(instance: Instance, found: Assortment, budget: Budget) -> tuple[Binding, ...]:
    """Each rule at its limit, the costliest first."""
    costs = []
    for rule in instance.rules:
        if len(rule.rows) and rule.binds(found.carried):
            costs.append(_cost(instance, found, rule, budget))
    return tuple(sorted(costs, key=lambda binding: (-binding.cost, binding.rule)))


def _cost(instance: Instance, found: Assortment, rule: Rule, budget: Budget) -> Binding:
    rest = tuple(other for other in instance.rules if other is not rule)
    region = region_of(rest, instance.n)
    if found.method == SEARCHED:  # a second proof would cost as much as the first
        lent = budget.at_least(MOMENT, FEW)
        reached = search.climb(instance, region, found.carried, lent)[1]
        budget.late |= lent.late
        return Binding(rule.name, reached - found.value, exact=False)
    without = _solve(replace(instance, rules=rest), region, budget)
    return Binding(rule.name, max(without.value - found.value, 0.0), exact=without.status == "optimal")


def _remarks(instance: Instance, found: Assortment) -> list[str]:
    notes = []
    if instance.n == 1:
        notes.append("Only one product is offered, so there is nothing to choose: add products to compare it with.")
    if not found.carried.any():
        notes.append("The best set is empty: no product earns anything. Check revenues, and rules that bar products.")
    if found.price is not None:
        pricing = _pricing(instance)
        edge = found.carried & ((found.price <= pricing.low) | (found.price >= pricing.high))
        if edge.any():
            notes.append(
                f"{int(edge.sum())} of {int(found.carried.sum())} prices stand at the edge of their observed range: "
                "a better price may lie beyond, but demand is not known there. Try a small price change first."
            )
    return notes


def _pricing(instance: Instance) -> Pricing:
    assert instance.pricing is not None
    return instance.pricing


__all__ = ["Assortment", "Binding", "Model", "optimise", "to_json"]
