"""Returns taken back from the purchases they belong to, written against Narwhals' lazy subset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import narwhals as nw

Frame = Any  # a native table of any backend Narwhals speaks
PAIR = ("customer", "product")
ORDERED = ("time", "_rank", "order", "_size")
_OWN = ("_rank", "_size", "_change", "_sum", "_low", "_before", "_level", "_floor", "_left", "_loss")


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
    table = nw.from_native(lines)
    seen = table if cutoff is None else table.filter(nw.col("time") < cutoff)
    traced = _trace(seen.filter(nw.col("kind").is_in(["sale", "return"])))
    report = _report(traced)
    kept = traced.filter(nw.col("kind") == "sale", nw.col("_left") > 0).with_columns(nw.col("_left").alias("quantity"))
    return kept.select(*table.collect_schema().names()).to_native(), report


def _trace(lines: Any) -> Any:
    """Add `_left` (of a sale: units kept) and `_loss` (of a return: units without a purchase)."""
    sale = nw.col("kind") == "sale"
    lines = lines.with_columns(
        _rank=nw.when(sale).then(nw.lit(0)).otherwise(nw.lit(1)),
        _size=nw.col("quantity").abs().cast(nw.Float64),
    ).with_columns(_change=nw.when(sale).then(nw.col("_size")).otherwise(-nw.col("_size")))

    def over(expression: Any) -> Any:
        return expression.over(*PAIR, order_by=ORDERED)

    lines = lines.with_columns(_sum=over(nw.col("_change").cum_sum()))
    lines = lines.with_columns(_low=over(nw.col("_sum").cum_min()))
    lines = lines.with_columns(_floor=nw.when(nw.col("_low") < 0).then(nw.col("_low")).otherwise(nw.lit(0.0)))
    lines = lines.with_columns(
        _level=nw.col("_sum") - nw.col("_floor"), _before=over(nw.col("_floor").shift(1)).fill_null(0.0)
    )
    lines = lines.with_columns(_left=over(nw.col("_level").cum_min(reverse=True)))
    left = nw.col("_left") - (nw.col("_level") - nw.col("_size"))
    guest = nw.col("customer").is_null()
    return lines.with_columns(
        _left=nw.when(guest).then(nw.col("_size")).otherwise(nw.max_horizontal(left, nw.lit(0.0))),
        _loss=nw.when(guest).then(nw.col("_size")).otherwise(nw.col("_before") - nw.col("_floor")),
    )


def _report(traced: Any) -> Returns:
    back, sale = nw.col("kind") == "return", nw.col("kind") == "sale"
    lost = back & (nw.col("_loss") > 0)
    counts = {
        "lines": back,
        "unmatched_lines": lost,
        "guest_lines": back & nw.col("customer").is_null(),
        "sales_cleared": sale & (nw.col("_left") <= 0),
        "sales_reduced": sale & (nw.col("_left") > 0) & (nw.col("_left") < nw.col("_size")),
    }
    sums = {"units": (back, "_size"), "unmatched_units": (lost, "_loss")}
    row = (
        traced.select(
            *[nw.when(flag).then(nw.lit(1)).otherwise(nw.lit(0)).sum().alias(name) for name, flag in counts.items()],
            *[nw.when(flag).then(nw.col(c)).otherwise(nw.lit(0.0)).sum().alias(n) for n, (flag, c) in sums.items()],
        )
        .lazy()
        .collect("polars")
        .row(0)
    )
    found = dict(zip([*counts, *sums], row, strict=True))
    units, unmatched = float(found["units"] or 0), float(found["unmatched_units"] or 0)
    return Returns(
        **{name: int(found[name] or 0) for name in counts},
        units=units,
        matched_units=units - unmatched,
        unmatched_units=unmatched,
    )
