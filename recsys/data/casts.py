"""Text cells to typed values, each with the reason why it cannot be one. Nothing is guessed.

A cast takes a polars text column ("" = empty) and gives two expressions: the value, and the reason (null = fine).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from recsys.data import schema
from recsys.data.schema import Field
from recsys.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import Shop, TableSource

CONTROL = r"[\p{Cc}\u{202A}-\u{202E}\u{2066}-\u{2069}]"
EPOCH_MS_FROM = 100_000_000_000  # as seconds: the year 5138; as milliseconds: 1973
ISO = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?)?\s*(Z|z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})?$"
DIRECTIVES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%e": r"\s?\d{1,2}", "%H": r"\d{1,2}",
    "%I": r"\d{1,2}", "%M": r"\d{1,2}", "%S": r"\d{1,2}", "%p": r"[AaPp][Mm]", "%b": r"\p{L}{3}", "%B": r"\p{L}+",
    "%T": r"\d{1,2}:\d{2}:\d{2}", "%F": r"\d{4}-\d{2}-\d{2}", "%R": r"\d{1,2}:\d{2}",
}  # fmt: skip


CLOCK = re.compile(r"%-?[HITMRScs]")


class Cast(NamedTuple):
    """Expressions over a frame of text columns."""

    value: pl.Expr
    reason: pl.Expr


@dataclass(frozen=True)
class Reading:
    """How the text of one source is to be read."""

    source: TableSource
    shop: Shop
    now: int  # epoch seconds; what lies more than a day after it is a mistake

    @property
    def zone(self) -> str:
        return self.source.timezone or self.shop.timezone


def check_reading(reading: Reading) -> None:
    """Raise ConfigError for options no row could be read with."""
    source = reading.source
    _expect(
        "delimiter", source.delimiter, len(source.delimiter) == 1 and source.delimiter not in '"\r\n', "one character"
    )
    _expect("decimal", source.decimal, source.decimal in (".", ","), '"." or ","')
    _expect("timezone", reading.zone, reading.zone in available_timezones(), "a name like Europe/Berlin")
    _expect(
        "time_format", source.time_format, _can_parse(source.time_format), 'iso, epoch_s, epoch_ms or "%d/%m/%Y %H:%M"'
    )
    for pattern in reading.shop.non_products.patterns:
        _expect("non_products.patterns", pattern, _can_match(pattern), "regular expressions without look-around")


def _expect(key: str, got: str, fine: bool, wanted: str) -> None:
    if not fine:
        raise ConfigError(f"`{key}` cannot be used", got=repr(got), wanted=wanted, cure="Change it in recsys.toml.")


def _can_parse(time_format: str) -> bool:
    import polars as pl

    if time_format in ("iso", "epoch_s", "epoch_ms"):
        return True
    if "%" not in time_format:
        return False
    written = pl.lit(datetime(2026, 3, 15, 13, 30, tzinfo=UTC)).dt.strftime(time_format).alias("t")
    try:
        return pl.select(written).select(_naive(pl.col("t"), "t", time_format))["t:local"].null_count() == 0
    except pl.exceptions.PolarsError:
        return False


def _can_match(pattern: str) -> bool:
    import polars as pl

    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        return False
    return True


def cast(field: Field, reading: Reading) -> Cast:
    """The cast of one contract field; its text column has the field's name."""
    import polars as pl

    text = pl.col(field.name).str.strip_chars()
    made = {
        "id": lambda: _id(text, field, reading),
        "text": lambda: Cast(_filled(text), pl.lit(None, pl.String)),
        "quantity": lambda: _quantity(text, reading.source.decimal),
        "price": lambda: _price(text, reading.source.decimal, field.required),
        "money": lambda: _price(text, reading.source.decimal, field.required),
        "time": lambda: _time(field.name, text, reading, field.required),
        "flag": lambda: _flag(text),
        "currency": lambda: _currency(text, reading.shop.currency),
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


def _number(text: pl.Expr, decimal: str) -> tuple[pl.Expr, pl.Expr]:
    """(value, whether the text is a number); digits beyond float64 become inf."""
    import polars as pl

    mark = re.escape(decimal)
    fits = text.str.contains(rf"^[+-]?(\d+({mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?$")
    plain = text.str.replace(decimal, ".", literal=True) if decimal != "." else text
    return plain.cast(pl.Float64, strict=False), fits


def _quantity(text: pl.Expr, decimal: str) -> Cast:
    value, fits = _number(text, decimal)
    bad = ~fits | value.is_null() | (value.abs() > 2**31 - 1) | (value == 0)
    return Cast(value, _first((bad, "qty")))


def _price(text: pl.Expr, decimal: str, required: bool) -> Cast:
    value, fits = _number(text, decimal)
    word = text.str.contains(r"(?i)^[+-]?(nan|inf|infinity|)$") & (text != "")
    empty = (text == "") if required else (text != text)
    missing = word | empty | (fits & ~value.is_finite())
    cases = ((missing, "price_nonfinite"), (~fits & (text != ""), "number_format"), (value < 0, "price<0"))
    return Cast(value, _first(*cases))


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


def prepare_times(frame: pl.DataFrame, name: str, reading: Reading) -> tuple[pl.DataFrame, dict[str, int]]:
    """Add `name:epoch` (int64 or null) and `name:fits` (has the declared form); count clock changes.

    A time in the hour a clock change skips is read with the offset before it, one in the hour that comes twice is the
    first of the two: the rule of PEP 495's fold=0.
    """
    import polars as pl

    text = pl.col(name).str.strip_chars()
    if reading.source.time_format in ("epoch_s", "epoch_ms"):
        return frame.with_columns(_epoch(text, name, reading.source.time_format)), {}
    parsed = frame.with_columns(_naive(text, name, reading.source.time_format))
    local = pl.col(f"{name}:local")
    zoned = local.dt.replace_time_zone(reading.zone, ambiguous="earliest", non_existent="null")
    later = local.dt.replace_time_zone(reading.zone, ambiguous="latest", non_existent="null")
    parsed = parsed.with_columns(
        zoned.dt.epoch("s").alias(f"{name}:zoned"),
        (pl.col(f"{name}:offset").is_null() & (zoned != later)).fill_null(False).alias(f"{name}:twice"),
    )
    naive = pl.col(f"{name}:offset").is_null() & local.is_not_null()
    gaps = parsed.filter(naive & pl.col(f"{name}:zoned").is_null())
    if gaps.height:
        parsed = _fill_gaps(parsed, gaps, name, reading.zone)
    counts = {"clock_skipped": gaps.height, "clock_twice": int(parsed[f"{name}:twice"].sum())}
    epoch = pl.coalesce(local.dt.epoch("s") - pl.col(f"{name}:offset"), pl.col(f"{name}:zoned"))
    return parsed.with_columns(epoch.alias(f"{name}:epoch")), counts


def _epoch(text: pl.Expr, name: str, unit: str) -> list[pl.Expr]:
    import polars as pl

    number = text.cast(pl.Int64, strict=False)
    as_ms = number.abs() >= EPOCH_MS_FROM
    fits = text.str.contains(r"^-?\d{1,18}$") & (as_ms if unit == "epoch_ms" else ~as_ms)
    value = number // 1000 if unit == "epoch_ms" else number
    return [pl.when(fits).then(value).alias(f"{name}:epoch"), fits.fill_null(False).alias(f"{name}:fits")]


def _naive(text: pl.Expr, name: str, time_format: str) -> list[pl.Expr]:
    """Local date-time, UTC offset in seconds (null: none given), and whether the text has the form at all."""
    import polars as pl

    if time_format != "iso":
        local, offset = text.str.to_datetime(time_format, time_unit="us", strict=False), pl.lit(None, pl.Int64)
        if "%z" in time_format:  # parsed to UTC
            local, offset = local.dt.replace_time_zone(None), pl.lit(0, pl.Int64)
        elif not CLOCK.search(time_format):
            local = text.str.to_date(time_format, strict=False).cast(pl.Datetime("us"))
        fits = text.str.contains(_shape(time_format))
        return [
            local.alias(f"{name}:local"),
            offset.alias(f"{name}:offset"),
            fits.alias(f"{name}:fits"),
        ]
    day = text.str.extract(ISO, 1).str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    clock = text.str.extract(ISO, 2).fill_null("00:00")
    hour, minute, second = (clock.str.slice(i, 2).cast(pl.Int64, strict=False).fill_null(0) for i in (0, 3, 6))
    real = (hour < 24) & (minute < 60) & (second <= 60) | ((hour == 24) & (minute == 0) & (second == 0))
    local = pl.when(real).then(day + pl.duration(seconds=hour * 3600 + minute * 60 + second))
    return [
        local.alias(f"{name}:local"),
        _offset(text).alias(f"{name}:offset"),
        text.str.contains(ISO).alias(f"{name}:fits"),
    ]


def _offset(text: pl.Expr) -> pl.Expr:
    import polars as pl

    zone = text.str.extract(ISO, 3)
    digits = zone.str.replace(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)
    return pl.when(zone.str.to_lowercase().is_in(["z", "utc"])).then(0).otherwise(sign * (hours * 3600 + minutes * 60))


def _shape(time_format: str) -> str:
    """A loose regular expression for a strptime format: tells a wrong form from an impossible date."""
    parts = re.split(r"(%-?.)", time_format)
    shapes = [DIRECTIVES.get(p.replace("-", ""), ".+") if p.startswith("%") else re.escape(p) for p in parts]
    return "^" + "".join(shapes) + "$"


def _fill_gaps(frame: pl.DataFrame, gaps: pl.DataFrame, name: str, zone: str) -> pl.DataFrame:
    import polars as pl

    clock = ZoneInfo(zone)
    times = gaps[f"{name}:local"].unique()
    known = {t: int(t.replace(tzinfo=clock, fold=0).timestamp()) for t in times.to_list()}
    filled = pl.col(f"{name}:local").replace_strict(
        list(known), list(known.values()), default=None, return_dtype=pl.Int64
    )
    return frame.with_columns(pl.coalesce(f"{name}:zoned", filled).alias(f"{name}:zoned"))
