"""Encoder: what a customer, a product or a shopper's text is, as one feature row a scorer can read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from scipy import sparse

from recsys.contract import F32, Features, Index

Kind = Literal["category", "number", "text"]
Row = Mapping[str, object]  # field -> value; a field that is absent, None or NaN is unknown
UNKNOWN = "?"  # `field:?` is the bucket of values never met, where the training data had such a column
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Encoder:
    """Fields to columns: `field:value` for a category, `field` for a standardised number, `field:token` for text.

    The tokens of a text are its words and the three-letter pieces of each (`#whi`, `#hit`, ...), weighted by rarity,
    the row of one text brought to length 1. Columns are frozen; the row numbers of two encoders never mix.
    """

    columns: Index
    kinds: dict[str, str]  # field -> Kind
    centre: dict[str, float] = field(default_factory=dict)  # number fields
    spread: dict[str, float] = field(default_factory=dict)
    rarity: F32 = field(default_factory=lambda: np.empty(0, dtype=np.float32))  # [columns], 1 but for text tokens

    @classmethod
    def fit(cls, rows: Sequence[Row], kinds: Mapping[str, Kind], min_texts: int = 2) -> Self:
        """Columns of every value met; a token is kept when `min_texts` rows hold it."""
        counts: Counter[str] = Counter()
        names: set[str] = set()
        centre: dict[str, float] = {}
        spread: dict[str, float] = {}
        for name, kind in kinds.items():
            values = [row[name] for row in rows if _is_known(row.get(name))]
            if kind == "number":
                numbers = np.array([_number(v) for v in values] or [0.0])
                centre[name], spread[name] = float(numbers.mean()), float(numbers.std()) or 1.0
                names.add(name)
            elif kind == "category":
                names |= {f"{name}:{v}" for v in values} | {f"{name}:{UNKNOWN}"}
            else:
                tokens = Counter(f"{name}:{t}" for v in values for t in set(tokenise(str(v))))
                counts += Counter({t: c for t, c in tokens.items() if c >= min_texts})
        columns = Index.of(names | set(counts))
        held = np.array([counts.get(str(c), 0) for c in columns.ids])
        rarity = np.where(held > 0, np.log((1 + len(rows)) / (1 + held)) + 1, 1).astype(np.float32)
        return cls(columns, dict(kinds), centre, spread, rarity)

    def encode(self, rows: Sequence[Row]) -> Features:
        """[n, columns] csr; unknown fields leave no cell."""
        cells = [self._cells(row) for row in rows]
        start = np.concatenate([[0], np.cumsum([len(c) for c in cells])]).astype(np.int64)
        at = np.array([column for c in cells for column in sorted(c)], dtype=np.int32)
        data = np.array([c[column] for c in cells for column in sorted(c)], dtype=np.float32)
        return Features(sparse.csr_matrix((data, at, start), shape=(len(rows), len(self.columns))), self.columns)

    def _cells(self, row: Row) -> dict[int, float]:
        cells: dict[int, float] = {}
        for name, kind in self.kinds.items():
            value = row.get(name)
            if not _is_known(value):
                continue
            if kind == "number":
                scaled = (_number(value) - self.centre[name]) / self.spread[name]
                cells[self.columns.row(name)] = float(np.clip(scaled, -3, 3))
            elif kind == "category":
                column = self.columns.row(f"{name}:{value}")
                cells[column if column >= 0 else self.columns.row(f"{name}:{UNKNOWN}")] = 1.0
            else:
                cells |= self._text(name, str(value))
        cells.pop(-1, None)
        return cells

    def _text(self, name: str, text: str) -> dict[int, float]:
        counts = Counter(self.columns.row(f"{name}:{token}") for token in tokenise(text))
        counts.pop(-1, None)
        weighted = {column: count * float(self.rarity[column]) for column, count in counts.items()}
        length = float(np.sqrt(sum(w * w for w in weighted.values())))
        return {column: weight / length for column, weight in weighted.items()}


def tokenise(text: str) -> list[str]:
    """Lower-case words, and `#` plus each run of three letters of a word with its ends marked."""
    words = _WORD.findall(text.lower())
    pieces = (f"#{padded[i : i + 3]}" for padded in (f"_{w}_" for w in words) for i in range(len(padded) - 2))
    return [*words, *pieces]


def _is_known(value: object) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and np.isnan(value))


def _number(value: object) -> float:
    return float(str(value))
