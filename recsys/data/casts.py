"""Text cells to typed values, each with the reason why it cannot be one. Nothing is guessed.

A cast takes a polars text column ("" = empty) and gives two expressions: the value, and the reason (null = fine).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from recsys.data import schema
from recsys.data.schema import Field

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import TableSource
    from recsys.data.reading import Reading

CONTROL = r"[\p{Cc}\u{202A}-\u{202E}\u{2066}-\u{2069}]"


class Cast(NamedTuple):
    """Expressions over a frame of text columns."""

    value: pl.Expr
    reason: pl.Expr


def cast(field: Field, reading: Reading) -> Cast:
    """The cast of one contract field; its text column has the field's name."""
    import polars as pl

    text = pl.col(field.name).str.strip_chars()
    made = {
        "id": lambda: _id(text, field, reading),
        "text": lambda: Cast(_filled(text), pl.lit(None, pl.String)),
        "quantity": lambda: _quantity(text, reading.source),
        "price": lambda: _price(text, reading.source, field.required),
        "money": lambda: _price(text, reading.source, field.required),
        "time": lambda: _time(field.name, text, reading, field.required),
        "flag": lambda: _flag(text),
        "currency": lambda: _currency(text, reading.shop.currency),
        "position": lambda: _position(text, field, reading),
        "propensity": lambda: _within(text, "propensity", reading, 1.0, above_zero=True),
        "outcome": lambda: _within(text, "outcome", reading, float("inf"), above_zero=False),
    }[field.kind]()
    return Cast(made.value.alias(field.name), made.reason.alias(f"{field.name}:reason"))


def _filled(text: pl.Expr) -> pl.Expr:
    """The text, null where empty."""
    import polars as pl

    return pl.when(text != "").then(text)


def _first(*cases: tuple[pl.Expr, str]) -> pl.Expr:
    """The reason of the first case that holds."""
    import polars as pl

    return pl.coalesce([pl.when(case).then(pl.lit(reason)) for case, reason in cases])


def _id(text: pl.Expr, field: Field, reading: Reading) -> Cast:
    import polars as pl

    reason = [
        (text.str.len_chars() > schema.ID_CHARACTERS, "id_length"),
        (text.str.contains(CONTROL), "control_char"),
    ]
    if field.required:
        reason.append((text == "", f"{field.name}_missing"))
    value = text.str.replace(r"^(\d+)\.0+$", "${1}") if reading.source.strip_decimal_ids else text
    return Cast(_filled(value).fill_null(pl.lit(field.default)), _first(*reason))


def _number(text: pl.Expr, source: TableSource) -> tuple[pl.Expr, pl.Expr]:
    """(value, whether the text is a number); digits beyond float64 become inf.

    A thousands mark counts only where it stands between whole groups of three digits: 1.299,50 but not 1.29,50.
    """
    import polars as pl

    decimal, mark = source.decimal, re.escape(source.decimal)
    if source.thousands:
        group = re.escape(source.thousands)
        grouped = text.str.contains(rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({mark}\d*)?$")
        text = pl.when(grouped).then(text.str.replace_all(source.thousands, "", literal=True)).otherwise(text)
    fits = text.str.contains(rf"^[+-]?(\d+({mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?$")
    plain = text.str.replace(decimal, ".", literal=True) if decimal != "." else text
    return plain.cast(pl.Float64, strict=False), fits


def _quantity(text: pl.Expr, source: TableSource) -> Cast:
    value, fits = _number(text, source)
    bad = ~fits | value.is_null() | (value.abs() > 2**31 - 1) | (value == 0)
    return Cast(value, _first((bad, "qty")))


def _price(text: pl.Expr, source: TableSource, required: bool) -> Cast:
    value, fits = _number(text, source)
    word = text.str.contains(r"(?i)^[+-]?(nan|inf|infinity|)$") & (text != "")
    empty = (text == "") if required else (text != text)
    missing = word | empty | (fits & ~value.is_finite())
    cases = ((missing, "price_nonfinite"), (~fits & (text != ""), "number_format"), (value < 0, "price<0"))
    return Cast(value, _first(*cases))


def _position(text: pl.Expr, field: Field, reading: Reading) -> Cast:
    """A whole number from 1 on; empty is the default."""
    import polars as pl

    written = pl.when(text == "").then(pl.lit(field.default or "")).otherwise(text)
    value, fits = _number(written, reading.source)
    bad = ~fits | value.is_null() | (value < 1) | (value > 2**31 - 1) | (value != value.floor())
    return Cast(pl.when(~bad).then(value).cast(pl.Int32), _first((bad, "position")))


def _within(text: pl.Expr, reason: str, reading: Reading, most: float, *, above_zero: bool) -> Cast:
    """A finite number from 0 (or above it) up to `most`."""
    value, fits = _number(text, reading.source)
    low = value <= 0 if above_zero else value < 0
    return Cast(value, _first((~fits | value.is_null() | ~value.is_finite() | low | (value > most), reason)))


def _flag(text: pl.Expr) -> Cast:
    import polars as pl

    word = text.str.to_lowercase()
    true, false = word.is_in(["1", "true", "yes", "y", "t"]), word.is_in(["0", "false", "no", "n", "f"])
    value = pl.when(true).then(pl.lit(True)).when(false).then(pl.lit(False))
    return Cast(value, _first((~true & ~false & (text != ""), "flag")))


def _currency(text: pl.Expr, currency: str) -> Cast:
    return Cast(text, _first((text.str.to_uppercase() != currency.upper(), "currency")))


def _time(name: str, text: pl.Expr, reading: Reading, required: bool) -> Cast:
    """Epoch seconds, UTC. The three helper columns are made by `prepare_times`."""
    import polars as pl

    value = pl.col(f"{name}:epoch")
    reason = [
        (text == "", f"{name}_missing") if required else (text != text, ""),
        (~pl.col(f"{name}:fits") & (text != ""), "ts_format"),
        (value.is_null() & (text != ""), "ts_invalid"),
        (~value.is_between(schema.EARLIEST, schema.LATEST), "ts_range"),
        (value > reading.now + 86_400, "future_ts"),
    ]
    return Cast(value, _first(*reason))
