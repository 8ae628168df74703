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


def _fit(value: Any, wanted: Any, where: str) -> Any:
    """The value as one of the types `wanted` allows."""
    bounds = Range()
    if typing.get_origin(wanted) is typing.Annotated:
        wanted, *notes = typing.get_args(wanted)
        bounds = next((note for note in notes if isinstance(note, Range)), bounds)
    options = typing.get_args(wanted) if typing.get_origin(wanted) in (types.UnionType, typing.Union) else (wanted,)
    for option in options:
        if typing.get_origin(option) is typing.Annotated:
            if value is not None:
                return _fit(value, option, where)
            continue
        fitted = _as(value, option)
        if fitted is not _NO:
            return _within(fitted, bounds, where)
    words = _nearest_word(value, options)
    raise ConfigError(where, got=repr(value), wanted=" or ".join(_name(o) for o in options), cure=words)


_NO = object()


def _as(value: Any, option: Any) -> Any:  # one line per kind of setting
    origin, arguments = typing.get_origin(option), typing.get_args(option)
    if option is None or option is type(None):
        return None if value is None else _NO
    if origin is typing.Literal:
        return value if value in arguments else _NO
    if origin is tuple:
        return _as_tuple(value, arguments)
    if option is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else _NO
    if option is typing.Any:
        return value
    plain = origin or option
    return value if isinstance(value, plain) and not (isinstance(value, bool) and plain is not bool) else _NO


def _as_tuple(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        return _NO
    endless = len(arguments) == 2 and arguments[1] is Ellipsis
    kinds = [arguments[0]] * len(value) if endless else list(arguments)
    if len(kinds) != len(value):
        return _NO
    items = tuple(_as(item, kind) for item, kind in zip(value, kinds, strict=True))
    return _NO if any(item is _NO for item in items) else items


def _within(value: Any, bounds: Range, where: str) -> Any:
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int | float) and not bounds.low <= number <= bounds.high:
            raise ConfigError(where, got=repr(value), wanted=str(bounds))
    return value


def _name(option: Any) -> str:
    if option is type(None):
        return "none"
    if typing.get_origin(option) is typing.Literal:
        return " | ".join(map(repr, typing.get_args(option)))
    if typing.get_origin(option) is typing.Annotated:
        kind, *notes = typing.get_args(option)
        return f"{_name(kind)} {notes[0]}"
    return {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}.get(
        getattr(option, "__name__", ""), str(option)
    )


def _nearest_word(value: Any, options: tuple[Any, ...]) -> str:
    words = [w for o in options if typing.get_origin(o) is typing.Literal for w in typing.get_args(o)]
    return nearest(value, words) if words and isinstance(value, str) else ""
