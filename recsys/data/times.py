"""Times as text to epoch seconds: ISO 8601, epoch numbers or a declared strptime format, in a declared zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

    from recsys.data.reading import Reading

EPOCH_MS_FROM = 100_000_000_000  # as seconds: the year 5138; as milliseconds: 1973
ISO = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?)?\s*(Z|z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})?$"
DIRECTIVES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%e": r"\s?\d{1,2}", "%H": r"\d{1,2}",
    "%I": r"\d{1,2}", "%M": r"\d{1,2}", "%S": r"\d{1,2}", "%p": r"[AaPp][Mm]", "%b": r"\p{L}{3}", "%B": r"\p{L}+",
    "%T": r"\d{1,2}:\d{2}:\d{2}", "%F": r"\d{4}-\d{2}-\d{2}", "%R": r"\d{1,2}:\d{2}",
}  # fmt: skip


CLOCK = re.compile(r"%-?[HITMRScs]")


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


def can_parse(time_format: str) -> bool:
    """Whether a written time comes back: an unusable format is told before any row is read."""
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
