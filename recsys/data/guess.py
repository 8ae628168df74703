"""A first recsys.toml read off the header and the first rows of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from recsys.data.peek import Sample, peek

MOST = 0.9  # share of the values that have to keep to a format

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    field: tuple(words.split())
    for field, words in {
        "order": "order orderid ordernumber orderno invoice invoiceno invoiceid transaction transactionid basket "
        "basketid receipt receiptid bestellung bestellnr bestellnummer auftragsnr",
        "customer": "customer customerid customerno user userid client clientid buyer buyerid household householdid "
        "visitor visitorid kunde kundennr kundennummer",
        "product": "product productid productno sku item itemid stockcode article articleid asin artikel artikelnr "
        "artikelnummer",
        "quantity": "quantity qty units amount count pieces menge",
        "price": "price unitprice priceperunit itemprice saleprice preis einzelpreis",
        "time": "time timestamp date datetime orderdate orderedat createdat invoicedate purchasedate "
        "transactiontimestamp purchasetime datum",
        "segment": "segment country region channel market store state city land",
        "seller": "seller sellerid vendor vendorid merchant shop supplier brand",
        "title": "title name description productname itemname producttitle bezeichnung artikelbezeichnung titel",
        "category": "category categoryname department producttype type kategorie",
    }.items()
}
REQUIRED = ("order", "product", "quantity", "price", "time")
TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S",
)


def guess_columns(header: Sequence[str]) -> dict[str, str]:
    """Contract field -> column, for every field a column plainly stands for; first match wins."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(header)}
    found: dict[str, str] = {}
    for field, words in SYNONYMS.items():
        name = next((plain[w] for w in words if w in plain and plain[w] not in found.values()), None)
        if name is not None:
            found[field] = name
    return found


def guess_time_format(values: Sequence[str]) -> str:
    """iso, epoch_s, epoch_ms or the one strptime format that fits most; "" when several fit equally or none does.

    A few dirty rows do not hide the format: what 9 in 10 values keep to is the format.
    """
    if all(re.fullmatch(r"\d{10}", v) for v in values):
        return "epoch_s"
    if all(re.fullmatch(r"\d{13}", v) for v in values):
        return "epoch_ms"
    fits = {form: sum(_fits(v, form) for v in values) for form in TIME_FORMATS}
    most = max(fits.values())
    if most >= MOST * len(values) > 0:
        best = [form for form, n in fits.items() if n == most]
        return best[0] if len(best) == 1 else ""
    iso = sum(re.match(r"\d{4}-\d\d-\d\dT", v) is not None for v in values)
    return "iso" if iso >= MOST * len(values) > 0 else ""


def guess_decimal(values: Sequence[str]) -> str:
    """ "," when most prices are written like 3,50; else "."."""
    return "," if sum(re.fullmatch(r"-?[\d.]*,\d+", v) is not None for v in values) > len(values) / 2 else "."


def guess_thousands(values: Sequence[str], decimal: str) -> str:
    """The mark between groups of three digits, where some price shows it before the decimal mark; else ""."""
    whole = rf"-?\d{{1,3}}([.,' ])\d{{3}}(\1\d{{3}})*{re.escape(decimal)}\d+"
    seen = [found.group(1) for v in values if (found := re.fullmatch(whole, v))]
    return seen[0] if seen and seen[0] != decimal else ""


def draft(path: str, name: str = "shop") -> tuple[str, list[str]]:
    """(recsys.toml as text, what a person still has to fill in). Raises DataError when the file cannot be read."""
    sample = peek(Path(path))
    columns = guess_columns(sample.header)
    times, prices = (_column(sample, columns.get(field)) for field in ("time", "price"))
    time_format = guess_time_format(times) if times else ""
    decimal = guess_decimal(prices)
    lines = [f"{field} = {_quoted(column)}" for field, column in columns.items()]
    lines += [f'{field} = ""   # fill in' for field in REQUIRED if field not in columns]
    return TEMPLATE.format(
        name=name,
        path=_quoted(path),
        delimiter=_quoted(sample.delimiter),
        encoding=_quoted(sample.encoding),
        decimal=_quoted(decimal),
        thousands=_quoted(guess_thousands(prices, decimal)),
        time_format=_quoted(time_format or "iso"),
        columns="\n".join(lines),
    ), _open_points(sample, columns, times, time_format)


def _open_points(sample: Sample, columns: Mapping[str, str], times: Sequence[str], time_format: str) -> list[str]:
    """What only a person can say, a sentence each."""
    header = ", ".join(sample.header)
    points = [f"[orders.columns] {field}: which of {header}?" for field in REQUIRED if field not in columns]
    if "customer" not in columns:
        points.append(f"[orders.columns] customer: which of {header}? Without it everybody is a guest.")
    if times and not time_format:
        points.append(f"[orders] time_format: how are times written? The first is {times[0]!r}.")
    elif not times:
        points.append("[orders] time_format: there is no time to read it off.")
    if sample.encoding != "utf-8":
        points.append(f"[orders] encoding: the file is not UTF-8; {sample.encoding} is a guess.")
    return points


def _column(sample: Sample, name: str | None) -> list[str]:
    """The values of one column, rows of another width left out."""
    if name is None:
        return []
    at = sample.header.index(name)
    return [row[at].strip() for row in sample.rows if len(row) == len(sample.header) and row[at].strip()]


TEMPLATE = """# Written by `recsys init`. Every key is explained in docs/configuration.md; unknown keys are refused.
runtime = ".runtime"

[shop]
name = "{name}"
currency = "EUR"
timezone = "UTC"           # days are this zone's days

[shop.non_products]        # lines that are no product: postage, fees, vouchers
codes = []
patterns = []

[orders]
path = {path}
delimiter = {delimiter}
encoding = {encoding}
decimal = {decimal}
thousands = {thousands}
time_format = {time_format}

[orders.columns]           # our word = your column
{columns}

[contest]
days = 28                  # the backtest holds out the last days
track = "new"              # new: products new to the customer; repeats: everything

[contenders.popularity]
family = "popularity"

[contenders.popularity_28d]
family = "popularity"
window_days = 28

[contenders.buy_again]
family = "buy_again"

[contenders.item_neighbours]
family = "item_neighbours"

[contenders.ease]
family = "ease"

[contenders.als]
family = "als"

[contenders.lightfm_warp]
family = "lightfm"
loss = "warp"

[contenders.complements]
family = "complements"
"""


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
