"""Any source as blocks of text cells: CSV, Parquet and SQL give the same thing to the casts.

A block's frame has the source's columns as text ("" = empty) plus `source_line`, `raw` and `refused` (a reason or
null); every record of the source is in exactly one block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

BLOCK = 10_000  # records held as Python objects at a time


@dataclass
class Blocks:
    """A source being read once: its header first, then its blocks; `rows_in` and `blank` grow with them."""

    where: str
    header: list[str]
    frames: Callable[[Sequence[str]], Iterator[pl.DataFrame]]  # of these columns only
    typed_times: frozenset[str] = frozenset()  # columns whose text is ISO whatever was declared
    nested: frozenset[str] = frozenset()  # columns that hold lists or structs
    rows_in: int = 0
    blank: int = 0
    digest: Any = field(default_factory=hashlib.sha256)  # of rows, for sources that are no file


def origin(lines: Sequence[int], raw: Sequence[str], refused: Sequence[str | None]) -> dict[str, Any]:
    """The three columns every block has."""
    import polars as pl

    return {
        "source_line": pl.Series(lines, dtype=pl.Int64),
        "raw": pl.Series(raw, dtype=pl.String),
        "refused": pl.Series(refused, dtype=pl.String),
    }


def distinct(names: Iterable[str]) -> list[str]:
    """Names in order of first appearance."""
    return list(dict.fromkeys(names))
