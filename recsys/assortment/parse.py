"""JSON values to arrays, one refusal per mistake: the key, what was found, what was wanted, the cure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import F64, Texts
from recsys.errors import DataError


def load(path: Path) -> Any:
    """The JSON of a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}", got=f"{type(error).__name__}: {error.strerror}", wanted="a readable JSON file",
                        cure="Check the path.") from error  # fmt: skip
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}", got=f"{error}", wanted="JSON text in UTF-8", cure="Correct the file.") from error


def mapping(raw: Any, where: str, known: Iterable[str] | None = None) -> dict[str, Any]:
    """`raw` as an object; a key that is not known is refused, so that a misspelt rule never goes unheard."""
    if not isinstance(raw, dict):
        raise DataError(where, got=type(raw).__name__, wanted="an object {...}")
    unknown = sorted(set(raw) - set(known)) if known is not None else []
    if unknown:
        raise DataError(where, got=f"unknown key '{unknown[0]}'", wanted=f"one of {', '.join(sorted(known or ()))}",
                        cure="Correct the name or drop it.")  # fmt: skip
    return raw


def numbers(raw: Any, where: str, shape: tuple[int, ...] | None = None) -> F64:
    """Finite float64 of `shape`; a single number stands for all of them."""
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(where, got="text or rows of different lengths", wanted="numbers",
                        cure="Give every product (and type) a number.") from error  # fmt: skip
    if not np.isfinite(values).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"{where}{list(at) if at else ''}", got=values[at], wanted="a finite number",
                        cure="Correct the value, or leave the product out.")  # fmt: skip
    if shape is not None and values.shape != shape:
        if values.ndim == 0:
            return np.full(shape, float(values))
        raise DataError(where, got=f"shape {list(values.shape)}", wanted=f"shape {list(shape)}",
                        cure=_shape_cure(values.shape, shape))  # fmt: skip
    return values


def positive(raw: Any, where: str, shape: tuple[int, ...] | None = None) -> F64:
    """Finite float64 >= 0 of `shape`."""
    values = numbers(raw, where, shape)
    if (values < 0).any():
        at = [int(i) for i in np.argwhere(values < 0)[0]]
        raise DataError(f"{where}{at or ''}", got=values.min(), wanted=">= 0", cure="Correct the value.")
    return values


def number(raw: Any, where: str) -> float:
    """One finite number."""
    return float(numbers(raw, where, ()))


def count(raw: Any, where: str) -> int:
    """One whole number >= 0."""
    value = number(raw, where)
    if value < 0 or value != int(value):
        raise DataError(where, got=raw, wanted="a whole number >= 0", cure="Correct the number.")
    return int(value)


def labels(raw: Any, where: str, n: int) -> Texts:
    """object[n] of text, one label per product."""
    if not isinstance(raw, list) or len(raw) != n:
        got = f"{len(raw)} entries" if isinstance(raw, list) else type(raw).__name__
        raise DataError(where, got=got, wanted=f"{n} entries, one per product")
    return np.array([str(label) for label in raw], dtype=object)


def _shape_cure(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if len(got) == len(wanted) == 2 and got[0] == wanted[1]:
        return "Transpose it: one row per visitor type, one column per product."
    return "Give one number per product, in the same order as the ids."
