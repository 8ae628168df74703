"""How one source is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from recsys.data.times import can_parse
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from recsys.config import Shop, TableSource


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
    marks = ("", ".", ",", "'", " ")
    other = source.thousands in marks and source.thousands != source.decimal
    _expect("thousands", source.thousands, other, '"", ".", ",", "\'" or " ", and not the decimal mark')
    _expect("timezone", reading.zone, reading.zone in available_timezones(), "a name like Europe/Berlin")
    _expect(
        "time_format", source.time_format, can_parse(source.time_format), 'iso, epoch_s, epoch_ms or "%d/%m/%Y %H:%M"'
    )
    for pattern in reading.shop.non_products.patterns:
        _expect("non_products.patterns", pattern, _can_match(pattern), "regular expressions without look-around")


def _expect(key: str, got: str, fine: bool, wanted: str) -> None:
    if not fine:
        raise ConfigError(f"`{key}` cannot be used", got=repr(got), wanted=wanted, cure="Change it in recsys.toml.")


def _can_match(pattern: str) -> bool:
    import polars as pl

    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        return False
    return True
