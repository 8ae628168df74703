"""Returns taken back from the purchases they belong to, written against Narwhals' lazy subset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import narwhals as nw

Frame = Any  # a native table of any backend Narwhals speaks
PAIR = ("customer", "product")
ORDERED = ("time", "_rank", "order", "_size")


@dataclass(frozen=True)
class Returns:
    """What became of the return lines. Units are quantities; a line is unmatched as far as no purchase is left."""

    lines: int
    units: float
    matched_units: float
    unmatched_lines: int
    unmatched_units: float
    guest_lines: int  # of the unmatched: nobody can say whose purchase came back
    sales_cleared: int  # sale lines of which nothing is left
    sales_reduced: int

    def json(self) -> dict[str, float]:
        return asdict(self)


def net_returns(lines: Frame, cutoff: int | None = None) -> tuple[Frame, Returns]:
    """Sale lines with the quantity the customer kept, and what became of the returns.

    `lines` are order lines of the lake (columns order, customer, product, quantity, time, kind). Only lines before
    `cutoff` (epoch seconds) are seen: a later return changes nothing. A return takes back the customer's latest
    earlier purchases of that product, the newest first, as far as they reach; what finds none is counted.

    Per customer and product let C be the running sum of signed quantities in time order (a sale before a return of
    the same second). The units still with the customer are L = C - min(0, min C), a stack that cannot go below
    empty; of a purchase that raised it from L - q to L, what stays is min(L later on) - (L - q), within [0, q].
    """
    both, back, traced = _net(lines, cutoff)
    return both.to_native(), _report(back, traced)


def kept_sales(lines: Frame) -> Frame:
    """The first of what `net_returns` gives, nothing counted: lines of a lazy table are not touched yet."""
    return _net(lines, None)[0].to_native()


def _net(lines: Frame, cutoff: int | None) -> tuple[Any, Any, Any]:
    """(sale lines as kept, return lines, lines of customers and products with returns as `_trace` leaves them)."""
    table = nw.from_native(lines)
    columns = table.collect_schema().names()
    seen = table if cutoff is None else table.filter(nw.col("time") < cutoff)
    sales, back = (_sized(seen.filter(nw.col("kind") == kind)) for kind in ("sale", "return"))
    pairs = back.select(*PAIR).drop_nulls().unique()  # nothing else can change: a guest's return has no owner
    traced = _trace(nw.concat([rows.join(pairs, on=list(PAIR), how="inner") for rows in (sales, back)]))
    kept = traced.filter(nw.col("kind") == "sale", nw.col("_left") > 0).with_columns(quantity=nw.col("_left"))
    untouched = sales.join(pairs, on=list(PAIR), how="anti").with_columns(quantity=nw.col("_size"))
    return nw.concat([untouched.select(*columns), kept.select(*columns)]), back, traced


def _sized(lines: Any) -> Any:
    return lines.with_columns(_size=nw.col("quantity").abs().cast(nw.Float64))


def _trace(lines: Any) -> Any:
    """Add `_left` (of a sale: units kept) and `_loss` (of a return: units without a purchase)."""
    sale = nw.col("kind") == "sale"

    def over(expression: Any) -> Any:
        return expression.over(*PAIR, order_by=ORDERED)

    rank, change = (
        nw.when(sale).then(a).otherwise(b) for a, b in ((nw.lit(0), nw.lit(1)), (nw.col("_size"), -nw.col("_size")))
    )
    lines = lines.with_columns(_rank=rank, _change=change)
    lines = lines.with_columns(_sum=over(nw.col("_change").cum_sum()))
    lines = lines.with_columns(_low=over(nw.col("_sum").cum_min()))
    lines = lines.with_columns(_floor=nw.min_horizontal(nw.col("_low"), nw.lit(0.0)))
    lines = lines.with_columns(_level=nw.col("_sum") - nw.col("_floor"), _before=over(nw.col("_floor").shift(1)))
    lines = lines.with_columns(_least=over(nw.col("_level").cum_min(reverse=True)))
    left = nw.col("_least") - nw.col("_level") + nw.col("_size")
    return lines.with_columns(
        _left=nw.max_horizontal(left, nw.lit(0.0)), _loss=nw.col("_before").fill_null(0.0) - nw.col("_floor")
    )


def _report(back: Any, traced: Any) -> Returns:
    guest = nw.col("customer").is_null()
    of_all = _totals(back, {"lines": ~guest | guest, "guest_lines": guest}, {"units": "_size"})
    of_guests = _totals(back.filter(guest), {}, {"units": "_size"})
    sale, lost = nw.col("kind") == "sale", (nw.col("kind") == "return") & (nw.col("_loss") > 0)
    some, whole = nw.col("_left") > 0, nw.col("_left") < nw.col("_size")
    flags = {"unmatched": lost, "sales_cleared": sale & ~some, "sales_reduced": sale & some & whole}
    of_traced = _totals(traced, flags, {})
    unmatched = of_guests["units"] + _totals(traced.filter(lost), {}, {"units": "_loss"})["units"]
    return Returns(
        lines=int(of_all["lines"]),
        units=of_all["units"],
        matched_units=of_all["units"] - unmatched,
        unmatched_lines=int(of_traced["unmatched"] + of_all["guest_lines"]),
        unmatched_units=unmatched,
        guest_lines=int(of_all["guest_lines"]),
        sales_cleared=int(of_traced["sales_cleared"]),
        sales_reduced=int(of_traced["sales_reduced"]),
    )


def _totals(table: Any, flags: dict[str, Any], sums: dict[str, str]) -> dict[str, float]:
    """How often each flag holds, and the sum of each column."""
    counted = [nw.when(flag).then(nw.lit(1)).otherwise(nw.lit(0)).sum().alias(name) for name, flag in flags.items()]
    row = table.lazy().select(*counted, *[nw.col(c).sum().alias(n) for n, c in sums.items()]).collect("polars").row(0)
    return {name: float(n or 0) for name, n in zip([*flags, *sums], row, strict=True)}
