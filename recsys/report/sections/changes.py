"""What changed since the generation before: champion, metrics, the lists, the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.publication import Entry
from recsys.report.discovery import customers_only
from recsys.report.figures import Mark, intervals
from recsys.report.generations import before, decision_of, table_of
from recsys.report.page import LISTS, Json, Page
from recsys.report.sections.leaderboard import measured
from recsys.report.tables import Column, count, join, metric_name, number, paragraph, share, table

if TYPE_CHECKING:
    import polars as pl

TITLE = "What changed"
SAMPLE = 20_000  # customers whose lists are compared, the first in text order
MOVED = 0.01  # a price that moved by more than this is a changed price
NAMED = 5  # products named of each kind of change


@dataclass(frozen=True)
class Overlap:
    """How alike two nights' lists are, over the customers who have one in both."""

    customers: int
    kept: float  # mean share of a list's first k places that hold a product of the earlier list's first k
    same_first: float  # share of customers whose first place is the same


def build(page: Page) -> str | None:
    """None on the first night."""
    earlier = before(page)
    if earlier is None:
        return None
    was, champion = earlier.manifest["champion"], page.decision["champion"]
    who = f"{was} is still champion." if was == champion else f"{champion} followed {was} as champion."
    since = f"Since {earlier.name}, the night of {earlier.manifest['as_of']}. "
    return join(paragraph(since + who), _metrics(page, earlier), _lists(page, earlier), _catalogue(page, earlier))


def overlap(old: pl.DataFrame, new: pl.DataFrame, k: int) -> Overlap | None:
    """Compare lists (columns customer, rank, product); None where nobody has one in both."""
    import polars as pl

    customers = sorted(set(old["customer"].unique()) & set(new["customer"].unique()))[:SAMPLE]
    if not customers:
        return None
    columns = ["customer", "rank", "product"]
    old, new = (t.filter(pl.col("rank") <= k, pl.col("customer").is_in(customers)).select(columns) for t in (old, new))
    both = new.join(old, on=["customer", "product"], how="left", suffix="_old")
    each = both.group_by("customer").agg(pl.col("rank_old").is_not_null().mean().alias("kept"))
    first = new.filter(pl.col("rank") == 1).join(old.filter(pl.col("rank") == 1), on="customer", suffix="_old")
    same = (first["product"] == first["product_old"]).sum() / len(customers)
    return Overlap(len(customers), float(each["kept"].sum()) / len(customers), float(same))


def _metrics(page: Page, earlier: Entry) -> str | None:
    """The decision's metric per contender, tonight and then."""
    contest = page.settings.contest
    then = {row["name"]: row for row in decision_of(page, earlier)["leaderboard"] if row["status"] == "ok"}
    rows, marks = [], []
    for row in page.ranked:
        new, old = (_mean(r, page) for r in (row, then.get(row["name"], {})))
        change = new - old if new is not None and old is not None else None
        rows.append((row["name"], number(new), number(old), number(change, 4, True)))
        if change is not None:
            marks.append(Mark(row["name"], change, text=number(change, 4, True)))
    if not rows:
        return None
    unit = metric_name(contest.primary)
    n = f"n = {len(marks)} contenders"
    figure = intervals(f"Change in {unit}", marks, unit, n, level=contest.level) if _moved(marks) else None
    caption = f"{unit} of each night's own backtest; with the night its held-out days move on."
    return join(figure, table(caption, ["Contender", "Tonight", "Then", "Change"], rows))


def _moved(marks: list[Mark]) -> bool:
    return any(abs(mark.value) >= 0.00005 for mark in marks)


def _mean(row: Json, page: Page) -> float | None:
    found = measured(row, page.settings.contest.track, page.settings.contest.primary)
    return None if found is None else float(found["mean"])


def _lists(page: Page, earlier: Entry) -> str | None:
    new, old = page.lists, table_of(page, earlier, "lists.parquet", LISTS)
    if new is None or old is None:
        return None
    k = page.settings.contest.at[0]
    found = overlap(customers_only(old), customers_only(new), k)
    if found is None:
        return paragraph("No customer has a list in both generations.")
    return paragraph(
        f"Of a list's first {k} places, {share(found.kept)} hold what they held then; {share(found.same_first)} of "
        f"customers see the same product first (n = {found.customers:,} with a list in both)."
    )


def _catalogue(page: Page, earlier: Entry) -> str | None:
    """New, gone, in and out of stock, dearer and cheaper."""
    import polars as pl

    new, old = page.products, table_of(page, earlier, "products.parquet")
    if old is None or new is None:
        return None
    both = new.join(old, on="product", suffix="_old")
    ratio = pl.col("price") / pl.col("price_old")
    kinds = {
        "new": new.join(old, on="product", how="anti"),
        "gone": old.join(new, on="product", how="anti"),
        "back on offer": both.filter(pl.col("available") & ~pl.col("available_old")),
        "no longer on offer": both.filter(~pl.col("available") & pl.col("available_old")),
        "dearer": both.filter(ratio > 1 + MOVED),
        "cheaper": both.filter(ratio < 1 - MOVED),
    }
    rows = [(kind, count(found.height), _named(found)) for kind, found in kinds.items()]
    caption = f"Catalogue, {new.height:,} products tonight; a price counts as moved beyond {MOVED:.0%}."
    return table(caption, ["Products", "n", Column("Such as", words=True)], rows)


def _named(products: pl.DataFrame) -> str:
    titles = [title or product for title, product in products.select("title", "product").head(NAMED).rows()]
    return "; ".join(titles)
