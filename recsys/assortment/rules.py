"""Rules on the carried set: every rule is one linear row, low <= sum(amount * carried) <= high.

A seller's minimum, a brand cap, a must-carry product, a budget and a price band differ only in their numbers, so
the solvers know nothing but rows, and what a rule costs is found by leaving its row out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys.contract import F64, I32, Flags, Texts
from recsys.errors import UsageError

TOLERANCE = 1e-9  # a row counts as kept, and as binding, within this much


@dataclass(frozen=True)
class Rule:
    """low <= amount . carried[rows] <= high."""

    name: str
    rows: I32  # [k] products the rule speaks of
    amount: F64  # [k]
    low: float = -np.inf
    high: float = np.inf

    def load(self, carried: Flags) -> float:
        """The rule's sum for a set."""
        return float(self.amount @ carried[self.rows])

    def kept(self, carried: Flags) -> bool:
        """Whether a set obeys the rule."""
        return self.low - TOLERANCE <= self.load(carried) <= self.high + TOLERANCE

    def binds(self, carried: Flags) -> bool:
        """Whether the rule is at its limit, so that it may cost something."""
        load = self.load(carried)
        return bool(load <= self.low + TOLERANCE or load >= self.high - TOLERANCE)


@dataclass(frozen=True)
class Limits:
    """How many products of one group: at least `low`, at most `high`."""

    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Constraints:
    """The rules in a shop's words. `*` in a group table means every group that has no entry of its own."""

    size: int | None = None  # at most, never exactly
    sellers: Mapping[str, Limits] = field(default_factory=dict)
    categories: Mapping[str, Limits] = field(default_factory=dict)
    brands: Mapping[str, Limits] = field(default_factory=dict)
    must_carry: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    space: float | None = None  # at most, in the unit of the products' space
    budget: float | None = None  # at most, in the unit of the products' spend
    price_band: tuple[float, float] | None = None
    min_stock: float | None = None  # units; products with less are not carried


@dataclass(frozen=True)
class Traits:
    """What the rules may speak of, one entry per product; None where the instance does not say."""

    ids: tuple[str, ...]
    sellers: Texts | None = None
    categories: Texts | None = None
    brands: Texts | None = None
    space: F64 | None = None
    spend: F64 | None = None
    price: F64 | None = None
    stock: F64 | None = None


def rules_of(constraints: Constraints, traits: Traits) -> tuple[Rule, ...]:
    """One Rule per stated constraint; raises UsageError when a rule speaks of something the instance lacks."""
    n = len(traits.ids)
    every = np.arange(n, dtype=np.int32)
    rules: list[Rule] = []
    if constraints.size is not None:
        rules.append(Rule(f"at most {constraints.size} products", every, np.ones(n), high=constraints.size))
    for trait in ("sellers", "categories", "brands"):
        rules += _group_rules(trait, getattr(constraints, trait), getattr(traits, trait))
    rules += _named_rules(constraints, traits)
    for limit, trait in (("space", "space"), ("budget", "spend")):
        if (high := getattr(constraints, limit)) is not None:
            amount = np.asarray(_needed(getattr(traits, trait), limit, trait), dtype=np.float64)
            rules.append(Rule(f"{limit} at most {high:g}", every, amount, high=high))
    return (*rules, *_bars(constraints, traits))


def _needed(values: F64 | Texts | None, limit: str, trait: str) -> F64 | Texts:
    if values is None:
        raise UsageError(
            f"constraints.{limit} is set", got=f"an instance without '{trait}'", wanted=f"'{trait}', one per product",
            cure=f"Add '{trait}' to the instance or drop constraints.{limit}.",
        )  # fmt: skip
    return values


def _group_rules(trait: str, limits: Mapping[str, Limits], labels: Texts | None) -> list[Rule]:
    if not limits:
        return []
    known = _needed(labels, trait, trait)
    groups = sorted(set(known.tolist()))
    for name in limits:
        if name not in groups and name != "*":
            raise UsageError(
                f"constraints.{trait}", got=f"'{name}'", wanted=f"one of {_some(groups)}",
                cure="Correct the name or drop the rule.",
            )  # fmt: skip
    rules = []
    for group in groups:
        if (limit := limits.get(group, limits.get("*"))) is not None:
            rows = np.flatnonzero(known == group).astype(np.int32)
            rules.append(_count(f"{trait} '{group}'", rows, limit))
    return rules


def _count(name: str, rows: I32, limit: Limits) -> Rule:
    words = [f"at least {limit.low:g}"] if np.isfinite(limit.low) else []
    words += [f"at most {limit.high:g}"] if np.isfinite(limit.high) else []
    return Rule(f"{name} {' and '.join(words)}", rows, np.ones(len(rows)), limit.low, limit.high)


def _named_rules(constraints: Constraints, traits: Traits) -> list[Rule]:
    wanted = (*constraints.must_carry, *constraints.exclude)
    if not wanted:
        return []
    row_of = {id_: row for row, id_ in enumerate(traits.ids)}
    for id_ in wanted:
        if id_ not in row_of:
            raise UsageError(
                "constraints.must_carry or constraints.exclude", got=f"'{id_}'",
                wanted=f"one of {_some(traits.ids)}", cure="Correct the product id or drop it.",
            )  # fmt: skip
    one = np.ones(1)
    must = [Rule(f"must carry '{i}'", np.array([row_of[i]], np.int32), one, low=1.0) for i in constraints.must_carry]
    never = [Rule(f"never carry '{i}'", np.array([row_of[i]], np.int32), one, high=0.0) for i in constraints.exclude]
    return must + never


def _bars(constraints: Constraints, traits: Traits) -> list[Rule]:
    rules = []
    if constraints.price_band is not None:
        low, high = constraints.price_band
        price = np.asarray(_needed(traits.price, "price_band", "prices"), dtype=np.float64)
        rules.append(_bar(f"price between {low:g} and {high:g}", (price < low) | (price > high)))
    if constraints.min_stock is not None:
        stock = np.asarray(_needed(traits.stock, "min_stock", "stock"), dtype=np.float64)
        rules.append(_bar(f"stock at least {constraints.min_stock:g}", stock < constraints.min_stock))
    return rules


def _bar(name: str, barred: Flags) -> Rule:
    rows = np.flatnonzero(barred).astype(np.int32)
    return Rule(name, rows, np.ones(len(rows)), high=0.0)


def _some(names: Sequence[str]) -> str:
    text = ", ".join(names[:5])
    return text if len(names) <= 5 else f"{text} and {len(names) - 5} more"
