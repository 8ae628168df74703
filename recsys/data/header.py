"""The header contract: which column of a file is which field, by exact name only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.data.schema import FIELDS, REASONS, Field
from recsys.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from recsys.config import TableSource

MOST_COLUMNS = 1_000
RESERVED = re.compile(
    r"|source|source_line|raw|refused|reason|day|kind|.*:(reason|epoch|fits|local|offset|zoned|twice)"
)
LOOKS_LIKE_DATA = re.compile(r"[+-]?\d+([.,]\d+)?|\d{4}-\d{2}-\d{2}.*|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*")


@dataclass(frozen=True)
class Header:
    """The fields a source brings and the columns they are read from; attributes are columns beyond the contract."""

    table: str
    fields: tuple[Field, ...]
    attributes: tuple[str, ...]
    columns: dict[str, str]  # field or attribute -> column of the source
    extra: tuple[str, ...] = ()  # columns nobody reads


def match_header(
    names: Sequence[str], table: str, source: TableSource, where: str, nested: frozenset[str] = frozenset()
) -> Header:
    """Match a header with the contract; raises DataError (names the nearest column) and ConfigError (unknown field)."""
    _refuse_unusable(names, where)
    known = {field.name: field for field in FIELDS[table]}
    mapped = {name: column for name, column in source.columns.items() if column}
    if table == "orders" and (unknown := sorted(set(mapped) - set(known))):
        raise ConfigError(
            f"[{table}.columns] maps an unknown field",
            got=unknown[0],
            wanted=", ".join(known),
            cure=did_you_mean(unknown[0], known),
        )
    columns = {name: mapped.get(name, name) for name in known if name in mapped or name in names}
    lacking = {name: mapped.get(name, name) for name in known if known[name].required} | mapped
    lacking = {name: column for name, column in lacking.items() if column not in names}
    if lacking:
        raise _missing(lacking, names, table, where)
    read = set(columns.values())
    beyond = {a: c for a, c in mapped.items() if a not in known}
    if table != "orders":
        taken = read | set(beyond.values()) | set(known) | nested
        beyond |= {c: c for c in names if c not in taken and not RESERVED.fullmatch(c)}
    fields = tuple(field for name, field in known.items() if name in columns)
    extra = tuple(c for c in names if c not in read | set(beyond.values()))
    return Header(table, fields, tuple(beyond), columns | beyond, extra)


def _refuse_unusable(names: Sequence[str], where: str) -> None:
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{where} has too many columns", got=f"{len(names):,}", wanted=f"at most {MOST_COLUMNS:,}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"{where}: two columns have the same name", got=repr(twice[0]), wanted="distinct names", cure="Rename one."
        )


def _missing(lacking: dict[str, str], names: Sequence[str], table: str, where: str) -> DataError:
    if any(LOOKS_LIKE_DATA.fullmatch(name.strip()) for name in names):
        return DataError(
            f"{where} has no header",
            got=f"a first line of data: {', '.join(names)[:80]}",
            wanted="column names in the first line",
            cure="Export it with its header.",
        )
    near = {field: _nearest(column, names) or _nearest(field, names) or "..." for field, column in lacking.items()}
    hints = ", ".join(f"{field} = {name!r}" for field, name in near.items())
    why = f" {REASONS['propensity']}" if "propensity" in lacking else ""
    return DataError(
        f"{where} lacks a column for {', '.join(lacking)}",
        got=", ".join(names)[:200],
        wanted=", ".join(repr(c) for c in lacking.values()),
        cure=f"Say in recsys.toml what the file calls them: [{table}.columns] {hints}.{why}",
    )


def _nearest(name: str, names: Sequence[str]) -> str:
    plain = {"".join(filter(str.isalnum, n)).lower(): n for n in names}
    asked = "".join(filter(str.isalnum, name)).lower()
    near = difflib.get_close_matches(asked, plain, 1, cutoff=0.6) or [p for p in plain if asked and asked in p]
    return plain[near[0]] if near else ""
