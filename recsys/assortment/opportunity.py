"""What one more item per single-item order is worth, per shop and per seller, from the shop's own orders.

    sales = single-item orders x uptake x value of the added line x (1 - cannibalised) x (1 - returned)

The value of an added line is the cheaper line of orders with exactly two products, by default its median: lines are
heavy-tailed, and the difference between the means of two-item and one-item orders can even be negative. Intervals
come from drawing orders again (bootstrap) and the assumptions from their distributions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsys.assortment.assumption import Assumptions, Input, Range
from recsys.contract import F64, I32, I64
from recsys.errors import DataError, EmptyError

DRAWS = 2_000
LEAST_PAIRS = 30  # two-item orders; a seller with fewer borrows the shop's ratio
ENTRIES = 1_000_000  # of one block of resamples
RESAMPLED = 20_000  # two-item orders up to which means are bootstrapped; above, their normal limit is used


@dataclass(frozen=True)
class Lines:
    """Kept order lines, one per order and product or more; returns already taken back."""

    order: I64  # [n]
    product: I32  # [n]
    seller: I32  # [n] row of `sellers`
    value: F64  # [n] money > 0
    sellers: tuple[str, ...] = ("shop",)


@dataclass(frozen=True)
class Baskets:
    """Orders by their number of distinct products; m two-item orders."""

    orders: int
    single_value: F64  # [singles] value of each single-item order
    single_seller: I32  # [singles]
    added: F64  # [m] the cheaper line of each two-item order
    pair_sellers: I32  # [m, 2] sellers of its cheaper and its dearer line
    order_sellers: I64  # [sellers] orders with a line of the seller

    def of(self, seller: int) -> Baskets:
        """The orders of one seller: singles it sold, two-item orders it has a line in."""
        mine, pairs = self.single_seller == seller, (self.pair_sellers == seller).any(axis=1)
        return replace(
            self, orders=int(self.order_sellers[seller]), single_value=self.single_value[mine],
            single_seller=self.single_seller[mine], added=self.added[pairs], pair_sellers=self.pair_sellers[pairs],
        )  # fmt: skip


@dataclass(frozen=True)
class Opportunity:
    """One row of the money table; money is of the period the lines cover."""

    scope: str
    orders: int
    single_orders: int
    single_share: Range
    pairs: int  # two-item orders behind the value of an added line
    line: Range  # median value of an added line
    line_mean: Range
    sales: Range  # at the median line
    profit: Range
    sales_at_mean: Range
    within_reach: Range | None  # part of `sales` whose added line the champion's list would have shown
    orders_per_arm: int | None  # of the A/B test that would prove the uptake
    swings: tuple[tuple[str, float, float], ...]  # (input, sales with it at its 5 %, at its 95 %), widest first
    notes: tuple[str, ...] = ()


def opportunity(lines: Lines, assumptions: Assumptions, seed: int = 0) -> tuple[Opportunity, ...]:
    """The shop's row, then a row per seller by sales, most first.

    Raises DataError for values that are not finite and positive, EmptyError without single-item or two-item orders.
    """
    shop = baskets_of(lines)
    if not len(shop.single_value) or not len(shop.added):
        raise EmptyError(
            "The opportunity table", got=f"{len(shop.single_value)} single-item and {len(shop.added)} two-item orders",
            wanted="some of both", cure="Give whole orders over a longer period: a sample of lines breaks baskets.",
        )  # fmt: skip
    rows = [_row("shop", shop, shop, assumptions, np.random.default_rng(seed))]
    if len(lines.sellers) > 1:
        for s, name in enumerate(lines.sellers):
            mine = shop.of(s)
            if len(mine.single_value):
                rows.append(_row(name, mine, shop, assumptions, np.random.default_rng([seed, s + 1])))
    return (rows[0], *sorted(rows[1:], key=lambda row: (-row.sales.middle, row.scope)))


def baskets_of(lines: Lines) -> Baskets:
    """Count distinct products per order; lines of one product in one order are added up."""
    if not len(lines.order):
        raise EmptyError("The opportunity table", got="no order lines", wanted="the shop's order lines")
    if not (np.isfinite(lines.value).all() and (lines.value > 0).all()):
        raise DataError("Value of an order line", got="NaN, zero or negative", wanted="> 0",
                        cure="Net returns into the line they belong to and leave out free lines.")  # fmt: skip
    names, order = np.unique(lines.order, return_inverse=True)
    width = int(lines.product.max()) + 1
    pairs, at = np.unique(order.astype(np.int64) * width + lines.product, return_inverse=True)
    value = np.bincount(at, weights=lines.value)
    seller = np.zeros(len(pairs), dtype=np.int32)
    seller[at] = lines.seller
    size = np.bincount(pairs // width, minlength=len(names))
    start = np.cumsum(size) - size
    one, two = start[size == 1], start[size == 2]
    both = value[np.column_stack([two, two + 1])]
    cheap = both.argmin(axis=1)
    sellers = seller[np.column_stack([two + cheap, two + 1 - cheap])]
    seen = np.unique(order.astype(np.int64) * len(lines.sellers) + lines.seller) % len(lines.sellers)
    of_seller = np.bincount(seen, minlength=len(lines.sellers))
    return Baskets(len(names), value[one], seller[one], both.min(axis=1), sellers, of_seller)


def _row(scope: str, mine: Baskets, shop: Baskets, given: Assumptions, rng: np.random.Generator) -> Opportunity:
    notes = []
    singles, share = len(mine.single_value), len(mine.single_value) / mine.orders
    single_draws = rng.binomial(mine.orders, share, DRAWS).astype(np.float64)
    pairs, scale = mine.added, 1.0
    if len(pairs) < LEAST_PAIRS:
        pairs, scale = shop.added, float(np.median(mine.single_value) / np.median(shop.single_value))
        notes.append(
            f"only {len(mine.added)} two-item orders: the shop's value of an added line, times {scale:.2f} for the "
            "seller's price level"
        )
    line, line_mean = (scale * draws for draws in (_median_draws(pairs, rng), _mean_draws(pairs, rng)))
    inputs = {"single-item orders": single_draws, "value of an added line": line} | _drawn(given, rng)
    sales, at_mean = _sales(inputs), _sales(inputs | {"value of an added line": line_mean})
    middle = {"single-item orders": float(singles), "value of an added line": scale * float(np.median(pairs))}
    middle |= {name: given_input.mean for name, given_input in _inputs(given).items()}
    reach = None if given.hit_rate is None else given.hit_rate * sales
    profit = sales * inputs["profit share"]
    return Opportunity(
        scope, mine.orders, singles, Range.of(single_draws / mine.orders, share), len(mine.added),
        Range.of(line, middle["value of an added line"]), Range.of(line_mean, scale * float(pairs.mean())),
        Range.of(sales), Range.of(profit), Range.of(at_mean), None if reach is None else Range.of(reach),
        orders_per_arm(share, given.uptake.mean), _swings(inputs, middle), tuple(notes),
    )  # fmt: skip


def _inputs(given: Assumptions) -> dict[str, Input]:
    return {"uptake": given.uptake, "cannibalised": given.cannibalised, "returned": given.returned,
            "profit share": given.profit_share}  # fmt: skip


def _drawn(given: Assumptions, rng: np.random.Generator) -> dict[str, F64]:
    return {name: given_input.draw(rng, DRAWS) for name, given_input in _inputs(given).items()}


def _sales(inputs: dict[str, F64]) -> F64:
    kept = (1 - inputs["cannibalised"]) * (1 - inputs["returned"])
    return inputs["single-item orders"] * inputs["uptake"] * inputs["value of an added line"] * kept


def _swings(inputs: dict[str, F64], middle: dict[str, float]) -> tuple[tuple[str, float, float], ...]:
    """A tornado: each input at its 5 % and 95 %, the others at their middle."""
    rows = []
    base = {name: np.array([value]) for name, value in middle.items()}
    for name, draws in inputs.items():
        ends = [float(_sales(base | {name: np.array([end])})[0]) for end in np.quantile(draws, [0.05, 0.95])]
        if ends[0] != ends[1]:
            rows.append((name, ends[0], ends[1]))
    return tuple(sorted(rows, key=lambda row: -abs(row[2] - row[1])))


def _median_draws(values: F64, rng: np.random.Generator) -> F64:
    """[DRAWS] bootstrap medians: the quantile at which a resample's median falls is beta distributed."""
    half = (len(values) + 1) / 2
    return np.quantile(values, rng.beta(half, half, DRAWS))


def _mean_draws(values: F64, rng: np.random.Generator) -> F64:
    """[DRAWS] bootstrap means."""
    if len(values) > RESAMPLED:
        return rng.normal(values.mean(), values.std() / np.sqrt(len(values)), DRAWS)
    block = max(1, ENTRIES // len(values))
    sizes = np.diff(np.append(np.arange(0, DRAWS, block), DRAWS))
    return np.concatenate([values[rng.integers(len(values), size=(n, len(values)))].mean(axis=1) for n in sizes])


def orders_per_arm(single_share: float, uptake: float) -> int | None:
    """Orders per arm that show the share of orders with a second item rising by single share x uptake."""
    from recsys.evaluation.abplan import Question, plan

    base, difference = 1 - single_share, single_share * uptake
    if not 0 < base < 1 or difference <= 0 or base + difference >= 1:
        return None
    return plan(Question("conversion", base, difference)).per_arm
