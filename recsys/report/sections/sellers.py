"""Sellers side by side, with a link to each one's own page; what the lists show of them and of what is new."""

from __future__ import annotations

from recsys.report.discovery import NEW_DAYS, Shown, shown
from recsys.report.figures import Mark, bars
from recsys.report.page import Page
from recsys.report.sellers import LEAST_ORDERS, MOST_PAGES, Seller, Sellers
from recsys.report.tables import Column, count, fold, heading, interval, join, link, paragraph, share, table, tiles

TITLE = "Sellers and discovery"
FIRST = 10  # rows shown before the fold


def build(page: Page) -> str | None:
    """None where nothing was published."""
    if page.lists is None or page.products is None:
        return None
    k = page.settings.contest.at[0]
    found = shown(page.lists, page.products, page.sales, int(page.night["day"]), k)
    return join(_sellers(page, page.sellers), _discovery(found, k)) or None


def _sellers(page: Page, sellers: Sellers | None) -> str | None:
    if sellers is None:
        return None
    currency, pages = page.settings.shop.currency, sellers.pages
    about = f"{sellers.sellers} sellers, {sellers.orders:,} orders of {sellers.days} days."
    cap = f"A seller has a page of its own from {LEAST_ORDERS} orders on, at most {MOST_PAGES} sellers by sales"
    marks = [Mark(s.name, s.sales) for s in pages[:FIRST]]
    first, rest = pages[:FIRST], pages[FIRST:]
    return join(
        tiles(
            [
                ("Sellers", count(sellers.sellers)),
                ("Sales of the five largest", share(sellers.top_five)),
                ("Orders with a single item", share(sellers.single_share)),
            ]
        ),
        paragraph(f"{about} {cap}: {len(pages)} tonight. A page holds no other seller's data and can be sent to them."),
        bars(
            "Sales by seller, the largest",
            marks,
            currency,
            f"n = {sellers.orders:,} orders of {sellers.sellers} sellers",
        ),
        _table(page, first, sellers, "Sellers by sales"),
        fold(f"{len(rest)} more sellers", _table(page, rest, sellers, "The other sellers")) if rest else None,
    )


def _table(page: Page, rows: tuple[Seller, ...], sellers: Sellers, caption: str) -> str:
    currency = page.settings.shop.currency
    columns = [
        "Seller",
        "Orders",
        f"Sales, {currency}",
        "Single-item orders",
        "Share of sales",
        Column("Share of places", tip=f"first {sellers.k} of customers' lists"),
        Column(f"One more item, {currency}", tip="added sales [90 % interval]"),
        "Served by",
    ]
    cells = [
        (
            link(s.name, f"{page.name}/{s.file}"),
            count(s.orders),
            count(s.sales),
            share(s.single_share),
            share(s.sales_share),
            share(s.places_share),
            _worth(s),
            s.arms,
        )
        for s in rows
    ]
    return table(f"{caption}; opportunity under the assumptions on their pages", columns, cells)


def _worth(seller: Seller) -> str | None:
    found = seller.opportunity
    return interval(found["sales"], found["sales_low"], found["sales_high"], 0) if found else None


def _discovery(found: Shown | None, k: int) -> str | None:
    if found is None:
        return None
    parts = {
        f"Products first sold in the last {NEW_DAYS} days, or never yet": found.new_products,
        f"Sellers first seen in the last {NEW_DAYS} days": found.new_sellers,
        "Sellers the customer never bought from": found.unfamiliar_sellers,
        "The tenth of the products shown most": found.top,
    }
    rows = [(name, share(part, 2)) for name, part in parts.items() if part is not None]
    n = f"n = {found.places:,} places of {found.customers:,} customers"
    return join(
        heading("What is there to discover"),
        paragraph(
            f"{share(found.catalogue)} of the products on offer stand in somebody's first {k} places; "
            f"{share(found.new_on_offer)} of the products on offer are new."
        ),
        table(f"Share of the first {k} places, {n}", ["Places taken by", "Share"], rows),
    )
