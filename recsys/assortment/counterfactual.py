"""What would happen: drop a product, add one, change prices; at fixed prices or with every firm answering.

    s + (O * ds/dp') (p - c) = 0                                            Bertrand-Nash prices, O = same firm
    p <- c + L^-1 [(O * G') (p - c) - s],   ds/dp = L - G, L diagonal       the fixed point (Morrow and Skerlos 2011)

Everything is per market. Money is in the shop's currency; revenue and profit are of the whole market, consumer surplus
is per visitor. Shapes: J alternatives, D draws of the estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.contract import F64, I32, Flags
from recsys.errors import FitError, UsageError
from recsys.scorers.market import MarketChoice

PRICE_TOLERANCE = 1e-10
MAX_ROUNDS = 5_000


@dataclass(frozen=True)
class Shelf:
    """A market as it is: what people choose between, who sells it, what it costs, how many people come."""

    choice: MarketChoice
    firm: I32  # [J]
    cost: F64  # [J] per unit
    size: float = 1.0
    low: F64 | None = None  # [J] lowest price ever observed
    high: F64 | None = None  # [J] highest price ever observed

    @classmethod
    def observed(cls, choice: MarketChoice, firm: I32, size: float = 1.0, cost: F64 | None = None) -> Shelf:
        """With known costs, or those under which today's prices are the best answer of every firm."""
        implied = choice.price - choice.markups(firm) if cost is None else cost
        return cls(choice, firm, implied, size)


@dataclass(frozen=True)
class Outcome:
    """Shares and money of a market."""

    share: F64  # [J]
    price: F64  # [J]
    revenue: float
    profit: float
    surplus: float  # per visitor, NaN where price attracts


@dataclass(frozen=True)
class Change:
    """Before and after on the same J alternatives (an absent one has share 0), and where buyers went."""

    before: Outcome
    after: Outcome
    taken: F64  # [J + 1] change of shares, last: buys nothing

    @property
    def diversion(self) -> F64:
        """[J + 1] where the buyers of the alternatives that lost the market went, per buyer lost; 0 for themselves."""
        lost = np.append((self.after.share == 0) & (self.before.share > 0), False)
        return np.asarray(np.where(lost, 0.0, self.taken) / max(float(-self.taken[lost].sum()), 1e-300))

    def numbers(self) -> dict[str, float]:
        """What changed, as named numbers."""
        return {
            "revenue": self.after.revenue - self.before.revenue,
            "profit": self.after.profit - self.before.profit,
            "surplus": self.after.surplus - self.before.surplus,
            "outside_share": float(self.taken[-1]),
        }


def drop(shelf: Shelf, gone: Flags, solve_prices: bool = False) -> Change:
    """Take the flagged alternatives away; with `solve_prices` every firm sets its best prices for what is left."""
    if gone.all():
        raise UsageError("drop", got="every product of the market", wanted="at least one that stays")
    stays = ~gone
    left = Shelf(shelf.choice.only(stays), shelf.firm[stays], shelf.cost[stays], shelf.size)
    left = replace(left, choice=left.choice.at_prices(best_prices(left))) if solve_prices else left
    share, price = np.zeros(len(gone)), shelf.choice.price.copy()
    share[stays], price[stays] = left.choice.shares(), left.choice.price
    return _change(shelf, share, price, shelf.cost, left.choice)


def reprice(shelf: Shelf, price: F64, answered: Flags | None = None) -> Change:
    """Other prices, [J]; the firms flagged in `answered` [J] then set their best prices, the others keep theirs.

    Raises UsageError for a price outside the range ever observed, where the shelf knows it.
    """
    _check_range(shelf, price)
    choice = shelf.choice.at_prices(price)
    if answered is not None and answered.any():
        choice = choice.at_prices(best_prices(replace(shelf, choice=choice), answered))
    return _change(shelf, choice.shares(), choice.price, shelf.cost, choice)


def add(shelf: Shelf, utility: F64, price: float, cost: float, firm: int, nest: int = -1) -> Change:
    """One more alternative, last: utility [R] at its price. Before it, its share is 0."""
    before = _outcome(shelf, shelf.choice, shelf.choice.shares(), shelf.choice.price, shelf.cost)
    choice = shelf.choice.with_added(utility, price, nest)
    costs = np.append(shelf.cost, cost)
    share, prices = np.append(before.share, 0.0), np.append(before.price, price)
    after = _outcome(shelf, choice, choice.shares(), choice.price, costs)
    return Change(replace(before, share=share, price=prices), after, _taken(share, after.share))


def with_intervals(shelf: Shelf, change: Callable[[Shelf], Change], draws: Iterable[MarketChoice]) -> dict[str, F64]:
    """Each number of a change with its 90 % interval over draws of the estimates: name -> [value, low, high]."""
    value = change(shelf).numbers()
    drawn = [change(replace(shelf, choice=choice)).numbers() for choice in draws]
    return {name: np.array([v, *np.quantile([d[name] for d in drawn], (0.05, 0.95))]) for name, v in value.items()}


def best_prices(shelf: Shelf, setters: Flags | None = None) -> F64:
    """[J] prices at which no firm gains by changing its own; alternatives not in `setters` keep theirs.

    Raises FitError when the rounds do not settle.
    """
    moves = np.ones(len(shelf.cost), dtype=bool) if setters is None else setters
    price = shelf.choice.price.copy()
    for _ in range(MAX_ROUNDS):
        share, scale, kept = _slopes(shelf.choice.at_prices(price), shelf.firm, price - shelf.cost)
        answer = shelf.cost + (kept - share) / scale
        step = np.where(moves, answer - price, 0.0)
        price = price + step
        if np.abs(step).max(initial=0.0) < PRICE_TOLERANCE * max(1.0, float(np.abs(price).max(initial=0.0))):
            return price
    raise FitError("Prices", got=f"no equilibrium after {MAX_ROUNDS:,} rounds", wanted="prices that settle",
                   cure="A price coefficient near 0 or above it has no best price; keep prices fixed.")  # fmt: skip


def _slopes(choice: MarketChoice, firm: I32, margin: F64) -> tuple[F64, F64, F64]:
    """(s, diagonal of L, (O * G') margin), [J] each, without any [J, J] matrix; L is steeper within nests."""
    s = choice.probabilities()
    sloped = (choice.weight * choice.price_effect)[:, None] * s
    kept = _of_group(s * margin, firm)
    steep = 1.0
    if choice.nests is not None and choice.rho:
        steep = 1 / (1 - choice.rho)
        within = s / np.maximum(_of_group(s, choice.nests), 1e-300)
        both = firm.astype(np.int64) * (int(choice.nests.max()) + 1) + choice.nests
        kept = kept + choice.rho * steep * _of_group(within * margin, both)
    scale = np.minimum(sloped.sum(axis=0), -1e-300) * steep
    return choice.weight @ s, scale, (sloped * kept).sum(axis=0)


def _of_group(values: F64, group: NDArray[Any]) -> F64:
    """[R, J] the sum over the group of each alternative."""
    names, of = np.unique(group, return_inverse=True)
    return np.asarray((values @ (of[:, None] == np.arange(len(names))))[:, of])


def _change(shelf: Shelf, share: F64, price: F64, cost: F64, after: MarketChoice) -> Change:
    before = _outcome(shelf, shelf.choice, shelf.choice.shares(), shelf.choice.price, shelf.cost)
    found = _outcome(shelf, after, share, price, cost)
    return Change(before, found, _taken(before.share, found.share))


def _outcome(shelf: Shelf, choice: MarketChoice, share: F64, price: F64, cost: F64) -> Outcome:
    return Outcome(
        share=share,
        price=price,
        revenue=shelf.size * float(share @ price),
        profit=shelf.size * float(share @ (price - cost)),
        surplus=float(choice.weight @ choice.surplus()),
    )


def _taken(before: F64, after: F64) -> F64:
    return np.append(after - before, before.sum() - after.sum())


def _check_range(shelf: Shelf, price: F64) -> None:
    if shelf.low is None or shelf.high is None:
        return
    outside = np.flatnonzero((price < shelf.low) | (price > shelf.high))
    if len(outside):
        j = int(outside[0])
        raise UsageError(
            f"Price of alternative {j}",
            got=f"{price[j]:.2f}",
            wanted=f"{shelf.low[j]:.2f} to {shelf.high[j]:.2f}, the range ever observed",
            cure="The model has not seen such a price; try it in an experiment first.",
        )
