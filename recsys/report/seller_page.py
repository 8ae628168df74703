"""One seller's page: self-contained, and free of anything that belongs to another seller."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.report.figures import lines
from recsys.report.page import Page, Section, frame
from recsys.report.sellers import RECENT, Product, Seller, Sellers
from recsys.report.tables import Column, count, join, money, paragraph, share, table, tiles

OWN = ("profit_share", "returned", "hit_rate")  # assumptions measured on the whole shop: nothing a seller is told


def render(page: Page, seller: Seller, sellers: Sellers) -> str:
    """The page as text; of `page` only the night, the currency and the shop's name are used."""
    shop, as_of, currency = page.settings.shop.name, page.night["as_of"], page.settings.shop.currency
    sections = [
        Section("sales", "Your sales", _sales(seller, sellers, currency)),
        Section("shown", "What customers are shown of yours", _shown(seller, sellers)),
        Section("opportunity", "One more item per order", _opportunity(seller, sellers, currency)),
        Section("products", "Your products", _products(seller.top, sellers.k, currency)),
    ]
    foot = f"{shop}, orders of the {sellers.days} days up to {as_of}. This page holds no other seller's data."
    return frame(f"{seller.name} on {shop}, {as_of}", sections, foot)


def _sales(seller: Seller, sellers: Sellers, currency: str) -> str:
    change = seller.recent / seller.earlier - 1 if seller.earlier > 0 else None
    return join(
        tiles(
            [
                ("Sales", money(seller.sales, currency)),
                ("Orders", count(seller.orders)),
                ("Customers with an account", count(seller.customers)),
                ("Orders with a single item", share(seller.single_share)),
                (f"Sales, last {RECENT} days", money(seller.recent, currency)),
                (f"Against the {RECENT} days before", "n/a" if change is None else f"{100 * change:+.1f} %"),
            ]
        ),
        lines(
            "Your sales by week",
            {"sales": seller.weekly},
            ("weeks before the night", currency),
            f"n = {len(seller.weekly)} whole weeks, {seller.orders:,} orders",
        ),
    )


def _shown(seller: Seller, sellers: Sellers) -> str:
    return join(
        paragraph(
            f"{seller.shown} of your {seller.on_offer} products on offer stand in the first {sellers.k} places of "
            f"somebody's list: {seller.places:,} places, in the lists of {seller.reached:,} customers."
        ),
        tiles(
            [
                ("Share of all places", share(seller.places_share, 2)),
                ("Served to your visitors by", seller.arms),
            ]
        ),
    )


def _opportunity(seller: Seller, sellers: Sellers, currency: str) -> str:
    found = seller.opportunity
    if found is None:
        return paragraph("What one more item per order would be worth was not computed tonight.")
    worth = f"{money(found['sales'], currency)} [{count(found['sales_low'])}, {count(found['sales_high'])}]"
    told = [("Added sales", worth), ("An added item is worth", f"{money(found['line'], currency, 2)} (median)")]
    if found["within_reach"] is not None:
        told.append(("Of it, items our lists name", money(found["within_reach"], currency)))
    told_of = {name: words for name, words in sellers.assumptions.items() if name not in OWN}
    given = "; ".join(f"{name.replace('_', ' ')} {words}" for name, words in told_of.items())
    return join(
        paragraph(
            f"{count(found['single_orders'])} of your {count(found['orders'])} orders hold one item. If "
            f"{share(found['uptake'], 0)} of those customers took one more, over the {sellers.days} days behind this "
            "page it would have meant:"
        ),
        tiles(told),
        paragraph(f"90 % intervals from drawing orders again. Assumed: {given}.", "soft"),
        paragraph(f"Note: {found['notes']}.", "soft") if found["notes"] else None,
    )


def _products(top: Sequence[Product], k: int, currency: str) -> str:
    columns = [
        "Product",
        "Sold, units",
        f"Sales, {currency}",
        Column("Places", tip=f"customers shown it in the first {k}"),
        Column("Completes a basket with, of yours", words=True),
    ]
    rows = [(p.title, count(p.units), count(p.sales), count(p.places), _beside(p)) for p in top]
    return table(f"The {len(top)} products of yours that sell most", columns, rows)


def _beside(product: Product) -> str:
    named = "; ".join(product.own[:3])
    if not product.others:
        return named or "nothing yet"
    return f"{named}{'; ' if named else ''}{product.others} of other sellers"
