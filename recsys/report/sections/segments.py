"""Where the champion is good and where it is not: by customer, product, market and seller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys.report.figures import Mark, intervals
from recsys.report.page import Page
from recsys.report.tables import Column, confidence, count, fold, interval, join, metric_name, paragraph, table

TITLE = "By segment"
KINDS = {
    "customer": ("Kind of customer", "cold: unknown before; new: bought on one day; returning: on several"),
    "product": ("Head and tail", "held-out products among the fifth most bought, and the others"),
    "market": ("Market", "segment of the customer"),
    "seller": ("Seller", "held-out products of the seller alone"),
}
LEAST = 30  # customers from which a segment may be said to lag


def build(page: Page) -> str | None:
    """None where nobody was judged by segment."""
    by_name = {str(r["name"]): r.get("segments") or [] for r in page.backtests}
    champion = str(page.decision["champion"])
    best = next((str(row["name"]) for row in page.ranked if by_name.get(str(row["name"]))), None)
    name = champion if by_name.get(champion) else best
    if name is None:
        return None
    rows = by_name[name]
    unit, level = metric_name(page.settings.contest.primary), page.settings.contest.level
    heads = ("Customers, n", f"{unit} [{confidence(level)}]", "Best here")
    marks = [
        Mark(f"{row['kind']}: {row['name']}", row["mean"], row["low"], row["high"])
        for row in rows
        if row["mean"] is not None and row["kind"] in ("customer", "product")
    ]
    n = max((row["n"] for row in rows if row["kind"] == "product"), default=0)
    return join(
        paragraph(f"{unit} of {name} on the held-out days; n counts customers with something to find."),
        intervals(f"{unit} by kind of customer and product", marks, unit, f"n up to {n:,} customers", level=level),
        *(_kind(kind, [row for row in rows if row["kind"] == kind], by_name, name, heads) for kind in KINDS),
    )


def _kind(
    kind: str, rows: list[dict[str, Any]], by_name: dict[str, Any], name: str, heads: Sequence[str]
) -> str | None:
    if not rows:
        return None
    title, tip = KINDS[kind]
    columns = [Column(title, tip=tip), *heads]
    cells = [
        (row["name"], count(row["n"]), interval(row["mean"], row["low"], row["high"]), _best(kind, row, by_name))
        for row in rows
    ]
    made = table(f"{title}, {name}", columns, cells)
    return fold(f"{len(rows)} {kind}s", made) if len(rows) > 4 else made


def _best(kind: str, row: dict[str, Any], by_name: dict[str, Any]) -> str | None:
    """The contender with the highest mean in this segment, where enough customers were asked."""
    if row["n"] < LEAST:
        return None
    means = {
        name: other["mean"]
        for name, rows in by_name.items()
        for other in rows
        if (other["kind"], other["name"]) == (kind, row["name"]) and other["mean"] is not None
    }
    return min(means, key=lambda name: (-means[name], name)) if means else None
