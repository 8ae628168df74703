"""What the product x market panel was made of and can bear, before anything is estimated."""

from __future__ import annotations

from typing import Any

from recsys.report.tables import Column, count, join, number, share, table

Json = dict[str, Any]


def build_panel(panel: Json) -> str | None:
    """None where the order lines were not told."""
    if "data" not in panel or "account" not in panel:
        return None
    return join(_bears(panel["data"]), _account(panel["account"]))


def _bears(data: Json) -> str:
    told = [
        ("Offered and unsold, of rows", share(data["zero_share"])),
        ("Sold exactly one unit, of rows that sold", share(data["single_order_share"])),
        ("Price variation within a product, median", share(data["price_variation"])),
        ("Prices that never move, of alternatives", share(data["flat_share"])),
        ("Seller concentration (Herfindahl, 1 = one seller)", number(data["seller_concentration"], 3)),
        ("The five largest sellers, of units", share(data["top_five_sellers"])),
        ("Orders with one product, of orders", share(data["single_item_share"])),
        *((f"Can it bear {rung}?", "yes" if not lacks else f"no: {lacks}") for rung, lacks in data["rungs"].items()),
    ]
    caption = f"What the data can bear, n = {count(data['rows'])} rows of {count(data['markets'])} markets"
    return table(caption, ["Before any estimation", Column("Found", words=True)], told)


def _account(account: Json) -> str:
    parts = {"given": account["given"], **account["dropped"], "kept = units of the panel": account["kept"]}
    rows = [(name, count(p["lines"]), count(p["units"]), count(p["revenue"])) for name, p in parts.items()]
    caption = "Every unit accounted for: given = dropped by reason + kept"
    return table(caption, ["Order lines", "Lines", "Units", "Revenue, shop currency"], rows, mark=[len(rows) - 1])
