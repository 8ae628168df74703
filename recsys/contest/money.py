"""What one more item per order is worth, how much of it the models would capture, and which test would prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.assortment.assumption import Assumptions, Input, Range
from recsys.assortment.opportunity import Lines, Opportunity, opportunity, orders_per_arm
from recsys.config import Shop
from recsys.errors import DataError

if TYPE_CHECKING:
    import polars as pl

UPTAKES = (0.005, 0.01, 0.02, 0.05, 0.10)  # 10 % is the goal, 0.5 to 2 % what recommendations are known to move
COMPLETING = ("complements", "item_neighbours")  # families that fill the basket surface, the first that is there
COLUMNS = (
    "scope", "uptake", "orders", "single_orders", "single_share", "line", "line_low", "line_high", "sales", "sales_low",
    "sales_high", "profit", "profit_low", "profit_high", "within_reach", "reach_low", "reach_high", "orders_per_arm",
    "notes",
)  # fmt: skip


def lines_of(sales: pl.DataFrame) -> Lines:
    """Order lines for the opportunity table from sale lines (columns of `data.dataset.sales_until`)."""
    table = sales.drop_nulls(["order", "product"])
    columns = {name: table[name].cast(str).fill_null("unknown").to_numpy() for name in ("order", "product", "seller")}
    (_, order), (_, product), (sellers, seller) = (
        np.unique(column.astype(str), return_inverse=True) for column in columns.values()
    )
    value = table["revenue"].to_numpy().astype(np.float64)
    return Lines(order.astype(np.int64), product.astype(np.int32), seller.astype(np.int32), value, tuple(sellers))


def assumptions(shop: Shop, hit_rate: float | None, returned: float) -> Assumptions:
    """What the shop's orders cannot tell, and what they can: returns are measured, profit is the shop's take rate."""
    given = Assumptions(hit_rate=hit_rate, returned=Input(returned))
    return replace(given, profit_share=Input(shop.take_rate)) if shop.take_rate < 1 else given


def hit_rate(backtests: Sequence[dict[str, Any]], k: int) -> tuple[str, float] | None:
    """(contender, its hit@k on second items of held-out orders) of the one that would fill the basket surface."""
    found = {}
    for record in backtests:
        metric = record.get("tracks", {}).get("basket", {}).get("metrics", {}).get(f"hit_at_{k}")
        if record["status"] == "ok" and metric and metric["mean"] is not None:
            found[record["name"]] = (record.get("family"), float(metric["mean"]))
    for family in COMPLETING:
        for name in sorted(found):
            if found[name][0] == family:
                return name, found[name][1]
    return None


def returned_share(lines: Any, until_day: int) -> float:
    """Value of the returns as a share of the value sold, at most 0.9; `lines` are order lines of the lake."""
    import polars as pl

    value = (pl.col("quantity").abs() * pl.col("price")).sum()
    sums = lines.lazy().filter(pl.col("day") <= until_day).group_by("kind").agg(value=value).collect()
    of = dict(sums.iter_rows())
    return min(of.get("return", 0.0) / of["sale"], 0.9) if of.get("sale") else 0.0


def opportunity_tables(
    lines: Lines, given: Assumptions, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rows of COLUMNS: the shop at every uptake of UPTAKES, each seller at the assumed one; the shop's tornado).

    An uptake is fixed, so what it brings is proportional to it: orders are drawn once. The tornado is what each other
    input does to the shop's sales at its 5 % and 95 %. Raises DataError and EmptyError as `opportunity` does.
    """
    assumed = given.uptake.mean
    shop, *sellers = opportunity(lines, replace(given, uptake=Input(assumed)), seed)
    rows = [_row(_at(shop, u, assumed), u) for u in UPTAKES] + [_row(seller, assumed) for seller in sellers]
    return rows, [{"input": n, "low": lo, "high": hi} for n, lo, hi in shop.swings]


def _at(found: Opportunity, uptake: float, assumed: float) -> Opportunity:
    """What `uptake` would bring, given what the assumed one does."""

    def part(of: Range) -> Range:
        return Range(*(uptake / assumed * value for value in (of.middle, of.low, of.high)))

    return replace(
        found, sales=part(found.sales), profit=part(found.profit), sales_at_mean=part(found.sales_at_mean),
        within_reach=None if found.within_reach is None else part(found.within_reach),
        orders_per_arm=orders_per_arm(found.single_share.middle, uptake),
    )  # fmt: skip


def _row(found: Opportunity, uptake: float) -> dict[str, Any]:
    reach = found.within_reach
    cells = (
        found.scope, uptake, found.orders, found.single_orders, found.single_share.middle, found.line.middle,
        found.line.low, found.line.high, found.sales.middle, found.sales.low, found.sales.high, found.profit.middle,
        found.profit.low, found.profit.high, *((reach.middle, reach.low, reach.high) if reach else (None,) * 3),
        found.orders_per_arm, "; ".join(found.notes),
    )  # fmt: skip
    if not all(np.isfinite(cell) for cell in cells if isinstance(cell, float)):
        raise DataError("The opportunity table", got=f"a value of {found.scope} that is not finite")
    return dict(zip(COLUMNS, cells, strict=True))
