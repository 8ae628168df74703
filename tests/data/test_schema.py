from __future__ import annotations

import polars as pl
import pytest

from recsys.data import schema
from recsys.errors import DataError


def row(**values: object) -> pl.DataFrame:
    good: dict[str, object] = {
        "order": "o1", "line": None, "customer": None, "product": "p1", "seller": "shop", "segment": "all",
        "quantity": 1.0, "price": 2.5, "time": 1_770_000_000, "cost": None, "title": None, "category": None,
        "day": 20486,
        "kind": "sale", "source": "0123456789abcdef", "source_line": 2,
    }  # fmt: skip
    return pl.DataFrame({k: [v] for k, v in (good | values).items()}, schema=schema.column_types("orders"))


def test_a_valid_order_line_passes_unchanged() -> None:
    assert schema.check(row(), "orders").equals(row())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("order", None), ("product", ""), ("product", "x" * 257), ("quantity", 0.0), ("quantity", 2.0**31 + 1),
        ("time", 0), ("time", schema.LATEST + 1), ("kind", "gift"), ("day", None), ("seller", None),
    ],
)  # fmt: skip
def test_a_bad_order_line_names_its_column(column: str, value: object) -> None:
    with pytest.raises(DataError, match=column):
        schema.check(row(**{column: value}), "orders")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="price"):
        schema.check(row().drop("price"), "orders")


def test_products_are_unique() -> None:
    types = schema.column_types("products")
    one = {"product": "p1", "seller": "shop", "source": "s", "source_line": 1}
    table = pl.DataFrame({k: [one.get(k)] for k in types}, schema=types)
    schema.check(table, "products")
    with pytest.raises(DataError, match="product"):
        schema.check(pl.concat([table, table]), "products")


def test_every_reason_teaches() -> None:
    assert set(schema.REASONS) >= schema.REPEATS
    fields = [f for table in schema.FIELDS.values() for f in table]
    required = {f"{f.name}_missing" for f in fields if f.required and f.kind in ("id", "time")}
    assert required <= set(schema.REASONS)
    assert all(text.endswith(".") for text in schema.REASONS.values())
