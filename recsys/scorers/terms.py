"""Terms of a utility, as written in recsys.toml: from named columns to a matrix.

A formula is terms joined by `+`. A term is a column or a number, `log(x)`, `exp(x)`, `sqrt(x)`, a power `x^2`, a
product `x*y` or a quotient `x/y`; `I(...)` around a term is allowed and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from recsys.contract import F64
from recsys.errors import ConfigError

PRICE = "prices"
CONSTANT = "1"
_FUNCTIONS: Mapping[str, Callable[[F64], F64]] = {"log": np.log, "exp": np.exp, "sqrt": np.sqrt}
_NAME = re.compile(r"[A-Za-z_][\w.:-]*")
_CALL = re.compile(r"(log|exp|sqrt)\((.+)\)")


def parse(formula: str) -> tuple[str, ...]:
    """Terms in the order written, blanks removed; `0` and an empty formula have none. Raises ConfigError on a twin."""
    terms = tuple(_plain(part) for part in _split(formula, "+") if part.strip() not in ("", "0"))
    twins = sorted({t for t in terms if terms.count(t) > 1})
    if twins:
        raise ConfigError(f"Formula {formula!r}", got=f"{twins[0]!r} twice", wanted="each term once")
    return terms


def names_in(term: str) -> frozenset[str]:
    """Columns a term is made of."""
    return frozenset(_NAME.findall(re.sub(r"(log|exp|sqrt)\(", "(", term)))


def column(term: str, columns: Mapping[str, F64], n: int) -> F64:
    """float64[n] values of one term; raises ConfigError on an unknown column or a value that is not finite."""
    with np.errstate(all="ignore"):
        values = np.broadcast_to(_value(term, columns), (n,)).astype(np.float64)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ConfigError(
            f"Term {term!r}",
            got=f"{bad} of {n} values that are no number",
            wanted="finite values",
            cure="Fill the missing values of its columns, or drop the term.",
        )
    return values


def design(terms: Iterable[str], columns: Mapping[str, F64], n: int) -> F64:
    """float64[n, len(terms)], one column per term."""
    parts = [column(term, columns, n) for term in terms]
    return np.column_stack(parts) if parts else np.empty((n, 0))


def _plain(text: str) -> str:
    text = re.sub(r"\s+", "", text).replace("**", "^")
    while text.startswith("I(") and text.endswith(")"):
        text = text[2:-1]
    return text


def _split(text: str, sign: str) -> list[str]:
    """Split at `sign` outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == sign and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _value(term: str, columns: Mapping[str, F64]) -> F64 | float:
    for sign, join in (("*", np.multiply), ("/", np.divide), ("^", np.power)):
        parts = _split(term, sign)
        if len(parts) > 1:
            value: F64 | float = _value(parts[0], columns)
            for part in parts[1:]:
                value = join(value, _value(part, columns))
            return value
    if called := _CALL.fullmatch(term):
        return _FUNCTIONS[called[1]](np.asarray(_value(called[2], columns)))
    if re.fullmatch(r"\d+(\.\d+)?", term):
        return float(term)
    if term not in columns:
        raise ConfigError(f"Term {term!r}", got="no such column", wanted=" or ".join(sorted(columns)) or "a column")
    return columns[term]
