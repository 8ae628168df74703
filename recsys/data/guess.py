"""A first recsys.toml read off the header and the first rows of a file."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from recsys.errors import DataError

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "order": (
        "order",
        "orderid",
        "ordernumber",
        "orderno",
        "invoice",
        "invoiceno",
        "invoiceid",
        "transaction",
        "transactionid",
        "basket",
        "basketid",
        "receipt",
        "receiptid",
    ),
    "customer": (
        "customer",
        "customerid",
        "customerno",
        "user",
        "userid",
        "client",
        "clientid",
        "buyer",
        "buyerid",
        "household",
        "householdid",
        "visitor",
        "visitorid",
    ),
    "product": (
        "product",
        "productid",
        "productno",
        "sku",
        "item",
        "itemid",
        "stockcode",
        "article",
        "articleid",
        "asin",
    ),
    "quantity": ("quantity", "qty", "units", "amount", "count", "pieces"),
    "price": ("price", "unitprice", "priceperunit", "itemprice", "saleprice"),
    "time": (
        "time",
        "timestamp",
        "date",
        "datetime",
        "orderdate",
        "orderedat",
        "createdat",
        "invoicedate",
        "purchasedate",
        "transactiontimestamp",
        "purchasetime",
    ),
    "segment": ("segment", "country", "region", "channel", "market", "store", "state", "city"),
    "seller": ("seller", "sellerid", "vendor", "vendorid", "merchant", "shop", "supplier", "brand"),
    "title": ("title", "name", "description", "productname", "itemname", "producttitle"),
    "category": ("category", "categoryname", "department", "producttype", "type"),
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
    """iso, epoch_s, epoch_ms or the one strptime format that fits every value; "" when several fit or none does."""
    if all(re.fullmatch(r"\d{10}", v) for v in values):
        return "epoch_s"
    if all(re.fullmatch(r"\d{13}", v) for v in values):
        return "epoch_ms"
    fitting = [f for f in TIME_FORMATS if all(_fits(v, f) for v in values)]
    if fitting:
        return fitting[0] if len(fitting) == 1 else ""
    return "iso" if all(re.match(r"\d{4}-\d\d-\d\dT", v) for v in values) else ""


def draft(path: str, name: str = "shop") -> tuple[str, list[str]]:
    """(recsys.toml as text, what a person still has to fill in). Raises DataError when the file cannot be read."""
    header, rows, delimiter = _peek(Path(path))
    columns = guess_columns(header)
    at = header.index(columns["time"]) if "time" in columns else -1
    times = [row[at] for row in rows if len(row) == len(header)] if at >= 0 else []
    time_format = guess_time_format(times) if times else ""
    open_points = [
        f"[orders.columns] {field}: which of {', '.join(header)}?" for field in REQUIRED if field not in columns
    ]
    if not time_format:
        open_points.append(
            f"[orders] time_format: how are times written? The first is {times[0]!r}."
            if times
            else "[orders] time_format"
        )
    lines = [f"{field} = {_quoted(column)}" for field, column in columns.items()]
    lines += [f'{field} = ""   # fill in' for field in REQUIRED if field not in columns]
    return TEMPLATE.format(
        name=name,
        path=_quoted(path),
        delimiter=_quoted(delimiter),
        time_format=_quoted(time_format or "iso"),
        columns="\n".join(lines),
    ), open_points


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


def _peek(file: Path) -> tuple[list[str], list[list[str]], str]:
    if not file.exists():
        raise DataError(f"{file} does not exist", wanted="your order lines as CSV, plain or .gz")
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8-sig")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8-sig") as text
        ):
            head = [text.readline() for _ in range(200)]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text", got=str(error), wanted="CSV in UTF-8") from None
    first = head[0]
    if not first.strip():
        raise DataError(f"{file} is empty", wanted="a header and rows")
    delimiter = max(",;\t|", key=first.count)
    rows = [row for row in csv.reader(filter(None, head), delimiter=delimiter) if row]
    return rows[0], rows[1:], delimiter


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)
