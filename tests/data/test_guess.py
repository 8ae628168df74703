"""From a header to a recsys.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from recsys.config import parse
from recsys.data.guess import draft, guess_columns, guess_decimal, guess_thousands, guess_time_format
from recsys.errors import DataError


def test_columns_are_recognised_by_what_they_mean() -> None:
    found = guess_columns(["Order ID", "customer_id", "SKU", "Qty", "unit price", "created_at", "Country", "x"])
    assert found == {
        "order": "Order ID",
        "customer": "customer_id",
        "product": "SKU",
        "quantity": "Qty",
        "price": "unit price",
        "time": "created_at",
        "segment": "Country",
    }


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2024-01-02T03:04:05Z"], "iso"),
        (["1700000000"], "epoch_s"),
        (["1700000000000"], "epoch_ms"),
        (["2024-01-02 03:04:05"], "%Y-%m-%d %H:%M:%S"),
        (["03/04/2026 10:00"], ""),  # March or April: a person must say
        (["03/14/2026 10:00"], "%m/%d/%Y %H:%M"),
        (["soon"], ""),
    ],
)
def test_time_format_is_guessed_only_when_one_fits(values: list[str], form: str) -> None:
    assert guess_time_format(values) == form


def test_the_draft_is_a_valid_configuration(tmp_path: Path) -> None:
    file = tmp_path / 'my "orders".csv'
    file.write_text("order;user;sku;qty;price;date\n1;a;x;1;2.5;2024-01-02\n")
    text, open_points = draft(str(file), "mine")
    settings = parse(tomllib.loads(text))
    assert open_points == []
    assert (settings.orders.delimiter, settings.orders.time_format) == (";", "%Y-%m-%d")
    assert settings.orders.columns["product"] == "sku"
    assert settings.orders.path == str(file)


def test_what_cannot_be_guessed_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("a,b,price\n1,2,3\n")
    _, open_points = draft(str(file))
    assert len(open_points) == 6  # order, product, quantity, time and its format, and who the customer is
    file.write_text("")
    with pytest.raises(DataError, match="empty"):
        draft(str(file))


def test_a_few_dirty_rows_do_not_hide_the_format() -> None:
    assert guess_time_format(["02.01.2024 12:00"] * 19 + ["31.02.2024 12:00"]) == "%d.%m.%Y %H:%M"
    assert guess_time_format(["02.01.2024 12:00"] * 4 + ["soon"]) == ""


def test_a_decimal_comma_is_seen() -> None:
    assert guess_decimal(["3,50", "1.204,00", ""]) == ","
    assert guess_decimal(["3.50", "4"]) == "."


def test_a_thousands_mark_is_seen_only_before_a_decimal_mark() -> None:
    assert guess_thousands(["9,99", "1.299,50"], ",") == "."
    assert guess_thousands(["9.99", "1,299.50"], ".") == ","
    assert guess_thousands(["1.299", "3.50"], ".") == ""


def test_without_a_customer_column_everybody_would_be_a_guest(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("order,sku,qty,price,date\n1,x,1,2.5,2024-01-02\n")
    _, open_points = draft(str(file))
    assert len(open_points) == 1
    assert "guest" in open_points[0]
