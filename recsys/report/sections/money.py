"""The opportunity in money, what it rests on, what customers really do, and revenue against relevance."""

from __future__ import annotations

from typing import Any

from recsys.ranking.rerank import LEAST_RELEVANCE, MOST_DEARER
from recsys.report.page import Page
from recsys.report.sections.experiments import rows_of
from recsys.report.tables import Column, count, fold, heading, interval, join, money, number, paragraph, share, table

TITLE = "What one more item is worth"
HABITS = {
    "repeat_customers": "Customers who ordered again",
    "named_orders": "Orders with a customer's id",
    "single_item_orders": "Orders with a single product",
    "same_product": "Later lines: the same product again",
    "same_category": "Later lines: a category bought before",
    "same_seller": "Later lines: a seller bought from before",
}


def build(page: Page) -> str | None:
    """None where the night has no experiments."""
    facts = page.facts.get("experiments", {})
    if "money" not in facts:
        return None
    return join(_opportunity(page, facts), _habits(facts), _frontier(page, facts))


def _opportunity(page: Page, facts: Any) -> str:
    found = facts["money"]
    if found["status"] != "ok":
        return paragraph(found["reason"])
    goal, currency = found["goal"], found["currency"]
    rows = rows_of(page, facts, "opportunity")
    shop = [row for row in rows if row["scope"] == "shop"]
    sellers = [row for row in rows if row["scope"] != "shop"]
    lead = (
        f"{count(goal['single_orders'])} of {count(goal['orders'])} orders have one product "
        f"({share(goal['single_share'])}). If {share(goal['uptake'], 0)} of them took one more, that is "
        f"{money(goal['sales'], currency)} of sales and {money(goal['profit'], currency)} of profit."
    )
    return join(
        paragraph(lead, "lead"),
        table("Assumptions beside the results", ["Assumption", "Value"], list(found["assumptions"].items())),
        _worth("The shop, by uptake [90 %]", shop, "uptake", currency),
        fold(f"{len(sellers)} sellers", _worth("Sellers, by sales [90 %]", sellers, "scope", currency))
        if sellers
        else None,
    )


def _worth(caption: str, rows: list[dict[str, Any]], first: str, currency: str) -> str:
    columns = [
        "Uptake" if first == "uptake" else "Seller",
        "Orders, n",
        "Single-item",
        f"Added line, {currency}",
        f"Sales, {currency}",
        f"Profit, {currency}",
        Column(f"Within reach, {currency}", tip="what the basket model's offline hit rate suggests"),
        Column("Orders per arm", tip="of the A/B test that would prove it, power 80 %"),
    ]
    cells = [
        (
            share(row["uptake"]) if first == "uptake" else row["scope"],
            count(row["orders"]),
            share(row["single_share"]),
            interval(row["line"], row["line_low"], row["line_high"], 2),
            interval(row["sales"], row["sales_low"], row["sales_high"], 0),
            interval(row["profit"], row["profit_low"], row["profit_high"], 0),
            interval(row["within_reach"], row["reach_low"], row["reach_high"], 0),
            count(row["orders_per_arm"]),
        )
        for row in rows
    ]
    return table(caption, columns, cells)


def _habits(facts: Any) -> str:
    found = facts.get("habits", {})
    if found.get("status") != "ok":
        return paragraph(found.get("reason", ""))
    cells = []
    for name, title in HABITS.items():
        row = found[name]
        by_chance = found.get(f"{name.removeprefix('same_')}_by_chance") if name.startswith("same_") else None
        told = interval(row["value"], row["low"], row["high"], 3)
        cells.append((title, told, count(row["n"]), number(by_chance, 3) if by_chance is not None else None))
    columns = [
        "Habit", "Share [95 %]", "n", Column("By chance", tip="if bought as the whole shop buys"),
    ]  # fmt: skip
    lead = (
        f"{found['sellers']} sellers; the five largest make {share(found['top_sellers'])} of the sales "
        f"(Gini {number(found['seller_gini'], 2)})."
    )
    return join(heading("What customers do"), table("Habits the business relies on", columns, cells), paragraph(lead))


def _frontier(page: Page, facts: Any) -> str:
    found = facts.get("frontier", {})
    if found.get("status") != "ok":
        return paragraph(f"Revenue frontier: {found.get('reason', 'none')}")
    rows = rows_of(page, facts, "frontier")
    currency = page.settings.shop.currency
    cells = [
        (number(r["power"], 2), share(r["relevance"]), number(r["revenue"], 3), share(r["revenue_share"]),
         f"{100 * r['price_shift']:+.1f}")
        for r in rows
    ]  # fmt: skip
    chosen = next((i for i, r in enumerate(rows) if r["power"] == found["power"]), None)
    columns = [
        Column("b", tip="score x margin^b"), "Relevance kept", f"Margin per list, {currency}", "Margin, share of b = 0",
        Column("Dearer by", tip="percentiles of price"),
    ]  # fmt: skip
    within = f"{100 * (1 - LEAST_RELEVANCE):.3g} % of relevance and {100 * MOST_DEARER:.3g} percentiles of price"
    lead = (
        f"Lists of {found['contender']}, first {found['k']} places. Within {within} b = {found['power']:g} earns most; "
        "lists are published at b = 0. The chance of a place, learnt on half of the held-out customers, is off by "
        f"{number(found['calibration_error'], 4)} on the other half (expected calibration error)."
    )
    if found.get("expected_revenue") is not None:
        lead += f" Chance x price of a list as published: {number(found['expected_revenue'], 3)} {currency}."
    return join(
        heading("Revenue against relevance"),
        paragraph(lead),
        table("Revenue frontier", columns, cells, mark=() if chosen is None else (chosen,)),
    )
