"""Settings of an estimator: types and ranges beside the fields, checked where a contender is built."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number; write `Annotated[int, Range(1, 1024)]`."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """A sentence naming the closest known name, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."


def check(kind: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings with lists as tuples and whole numbers as floats where asked; raises ConfigError."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(kind)}
    for name in settings:
        if name not in fields:
            raise ConfigError(where, got=f"setting {name!r}", cure=nearest(name, fields))
    return {name: _fit(value, fields[name], f"{where}.{name}") for name, value in settings.items()}


_NO = object()  # the value is not of this type


def _fit(value: Any, wanted: Any, where: str) -> Any:
    fitted = _as(value, wanted, where)
    if fitted is not _NO:
        return fitted
    raise ConfigError(where, got=repr(value), wanted=_name(wanted), cure=_nearest_word(value, wanted))


def _as(value: Any, wanted: Any, where: str) -> Any:
    """The value as `wanted`, or _NO; raises ConfigError when it is of that type and out of range."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated:
        fitted = _as(value, arguments[0], where)
        return _within(fitted, arguments[1:], where)
    if origin in (types.UnionType, typing.Union):
        fits = (_as(value, option, where) for option in arguments)
        return next((fitted for fitted in fits if fitted is not _NO), _NO)
    if origin is typing.Literal:
        return value if isinstance(value, str) and value in arguments else _NO
    if origin is tuple:
        return _as_tuple(value, arguments, where)
    return _as_plain(value, origin or wanted)


def _as_plain(value: Any, wanted: Any) -> Any:
    if wanted is typing.Any:
        return value
    if isinstance(value, bool) and wanted is not bool:
        return _NO
    if wanted is float and isinstance(value, int | float):
        return float(value) if math.isfinite(value) else _NO
    return value if isinstance(value, wanted) else _NO


def _as_tuple(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if not isinstance(value, list | tuple):
        return _NO
    endless = len(arguments) == 2 and arguments[1] is Ellipsis
    kinds = [arguments[0]] * len(value) if endless else list(arguments)
    if len(kinds) != len(value):
        return _NO
    items = tuple(_as(item, kind, where) for item, kind in zip(value, kinds, strict=True))
    return _NO if any(item is _NO for item in items) else items


def _within(value: Any, notes: tuple[Any, ...], where: str) -> Any:
    bounds = next((note for note in notes if isinstance(note, Range)), Range())
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int | float) and not bounds.low <= number <= bounds.high:
            raise ConfigError(where, got=repr(value), wanted=str(bounds))
    return value


def _name(wanted: Any) -> str:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated:
        return f"{_name(arguments[0])} {arguments[1]}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(_name, arguments))
    if origin is typing.Literal:
        return " | ".join(map(repr, arguments))
    if origin is tuple:
        return f"a list of {', '.join(_name(a) for a in arguments if a is not Ellipsis)}"
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "none"}
    return plain.get(wanted, str(wanted))


def _nearest_word(value: Any, wanted: Any) -> str:
    if typing.get_origin(wanted) is typing.Literal and isinstance(value, str):
        return nearest(value, typing.get_args(wanted))
    return " ".join(filter(None, (_nearest_word(value, a) for a in typing.get_args(wanted))))
