"""Table contracts: what an accepted row of each table looks like, and why a row is refused.

The one place where column names of the lake are written. A `Field` says how the text of a file becomes a value;
the pandera schemas check the result once more, so that no bug of ours lets a bad row pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recsys.errors import DataError

Kind = Literal[
    "id", "text", "quantity", "price", "money", "time", "flag", "currency", "position", "propensity", "outcome"
]


@dataclass(frozen=True)
class Field:
    """A column a file may bring: how its text is read, whether it must be there, what stands for an empty cell."""

    name: str
    kind: Kind
    required: bool = False
    default: str | None = None


ORDERS = (
    Field("order", "id", required=True),
    Field("line", "id"),
    Field("customer", "id"),  # empty: a guest
    Field("product", "id", required=True),
    Field("seller", "id", default="shop"),
    Field("segment", "id", default="all"),
    Field("quantity", "quantity", required=True),
    Field("price", "price", required=True),
    Field("time", "time", required=True),
    Field("cost", "money"),  # what a unit cost the seller: the best instrument for its price
    Field("title", "text"),
    Field("category", "text"),
    Field("currency", "currency"),  # only checked: prices are in the shop's currency
)
PRODUCTS = (
    Field("product", "id", required=True),
    Field("title", "text"),
    Field("seller", "id", default="shop"),
    Field("category", "text"),
    Field("price", "money"),
    Field("cost", "money"),
    Field("available", "flag"),
    Field("design", "text"),
    Field("updated", "time"),
)
CUSTOMERS = (
    Field("customer", "id", required=True),
    Field("segment", "id", default="all"),
    Field("updated", "time"),
)
EXPOSURES = (
    Field("time", "time", required=True),
    Field("visitor", "id", required=True),  # a customer's id where it is known: orders are joined by it
    Field("surface", "id", default="home"),
    Field("slate", "id"),  # what was shown together; empty: the row stands alone
    Field("position", "position", default="1"),  # 1 = top
    Field("product", "id"),
    Field("propensity", "propensity", required=True),  # of this product here, given those above it in its slate
    Field("arm", "id", default="champion"),
    Field("outcome", "outcome", required=True),  # click (0 or 1), units or money
    Field("seller", "id"),
    Field("segment", "id"),
)
FIELDS: Mapping[str, tuple[Field, ...]] = {
    "orders": ORDERS,
    "products": PRODUCTS,
    "customers": CUSTOMERS,
    "exposures": EXPOSURES,
}
DAILY = ("orders", "exposures")  # partitioned by local day
KEYS: Mapping[str, str] = {"products": "product", "customers": "customer"}

SALE, RETURN, NON_PRODUCT = "sale", "return", "non_product"
ORIGIN = ("source", "source_line")  # digest of the content, line (or row) number in it
QUARANTINE = ("source", "source_line", "reason", "raw")
EARLIEST = 631_152_000  # 1990-01-01: an older time is a broken clock, not an order
LATEST = 4_102_444_800  # 2100-01-01
ID_CHARACTERS = 256

REASONS: Mapping[str, str] = {
    "encoding": "The row holds bytes that are not text in the declared encoding; set `encoding` (for example cp1252).",
    "control_char": "A NUL byte, or a control or direction character inside an id; export the column again as text.",
    "columns": "The row has fewer or more cells than the header; quote cells that hold the delimiter.",
    "unclosed_quote": 'A cell opens with " and never closes; double the quote inside a cell ("").',
    "quote": 'Text follows a closing quote; double the quote inside a cell ("").',
    "field_size": "A cell is longer than 64 KB.",
    "order_missing": "The order id is empty.",
    "product_missing": "The product id is empty.",
    "customer_missing": "The customer id is empty.",
    "visitor_missing": "The visitor id is empty.",
    "time_missing": "The time is empty.",
    "id_length": f"An id is longer than {ID_CHARACTERS} characters.",
    "qty": "The quantity is not a number of units, is zero, or does not fit 32 bits.",
    "price_nonfinite": "The price is empty or no finite number.",
    "number_format": "The number has a currency sign or other marks; set `decimal` and `thousands`.",
    "price<0": "The price is negative; a fee or correction belongs to [shop.non_products].",
    "currency": "The line is not in the shop's currency; convert it or export one currency per file.",
    "ts_format": 'The time is not written in the declared format; set `time_format` (for example "%d/%m/%Y %H:%M").',
    "ts_invalid": "The time is no date of the calendar.",
    "ts_range": "The time is before 1990 or after 2100: probably a placeholder.",
    "future_ts": "The time is more than a day in the future; check `timezone` and the clock of the shop system.",
    "position": "The position is not 1 (the top), 2 below it, and so on.",
    "propensity": (
        "The propensity is empty or no probability above 0 and up to 1; log it when the choice is drawn. Without it "
        "only replay on uniformly random traffic or a comparison on held-out orders is honest."
    ),
    "outcome": "The outcome is empty, negative or no finite number; net returns into the order they belong to.",
    "flag": "Neither true/false, yes/no nor 1/0.",
    "duplicate": "The same line stood here before; set `duplicates` to sum or keep if each copy was sold.",
    "summed": "A copy of an earlier line; its quantity was added there.",
    "conflict": "Two different rows carry the same key, and nothing says which is right.",
    "superseded": "A later row of the same file describes the same product or customer.",
    "known_line": "The same order line is in the lake already, from an overlapping file.",
}
REPEATS = frozenset({"duplicate", "summed", "superseded", "known_line"})  # not counted as bad rows


def column_types(table: str) -> dict[str, Any]:
    """Polars types of an accepted table, in column order; attributes (text) may follow."""
    import polars as pl

    of = {"id": pl.String, "text": pl.String, "time": pl.Int64, "flag": pl.Boolean, "position": pl.Int32}
    types: dict[str, Any] = {f.name: of.get(f.kind, pl.Float64) for f in FIELDS[table] if f.kind != "currency"}
    if table in DAILY:
        types["day"] = pl.Int32
    if table == "orders":
        types["kind"] = pl.String
    return types | {"source": pl.String, "source_line": pl.Int64}


def _checks(table: str) -> dict[str, list[Any]]:
    import pandera.polars as pa

    text = [pa.Check.str_length(1, ID_CHARACTERS)]
    checks: dict[str, list[Any]] = {f.name: list(text) for f in FIELDS[table] if f.kind == "id"}
    for name in ("time", "updated"):
        checks[name] = [pa.Check.in_range(EARLIEST, LATEST)]
    checks["kind"] = [pa.Check.isin([SALE, RETURN, NON_PRODUCT])]
    checks["propensity"] = [pa.Check.in_range(0, 1, include_min=False)]
    checks["outcome"] = checks["position"] = [pa.Check.ge(0)]
    checks["quantity"] = [pa.Check.in_range(-(2**31), 2**31), pa.Check.ne(0)]
    return checks


def contract(table: str) -> Any:
    """The pandera schema of an accepted table."""
    import pandera.polars as pa

    checks = _checks(table)
    must = {f.name for f in FIELDS[table] if f.required or f.default} | {"day", "kind", *ORIGIN}
    columns = {
        name: pa.Column(kind, checks.get(name, []), nullable=name not in must)
        for name, kind in column_types(table).items()
    }
    unique = [KEYS[table]] if table in KEYS else None
    return pa.DataFrameSchema(columns, strict=False, unique=unique, name=table)


def check(frame: Any, table: str) -> Any:
    """The frame itself if it keeps the contract of `table`; raises DataError that names the column and the rule."""
    import pandera.errors

    try:
        return contract(table).validate(frame)
    except (pandera.errors.SchemaError, pandera.errors.SchemaErrors) as error:
        raise DataError(
            f"The {table} table does not keep its contract",
            got=" ".join(str(error).split())[:300],
            wanted=", ".join(column_types(table)),
        ) from None
