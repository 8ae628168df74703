"""Fields of one side as columns of one table: who it is, its features, and what to read where they are unknown.

Each field that is a category has one column more than categories: the unknown. A matrix row holds it explicitly, as 0
where the field is known and 1 where it is not, so that a known field is masked by swapping the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.contract import I32, Features, Flags, Index, Rows, Texts
from recsys.errors import FitError

MASKED = 0.1  # share of the known fields that are read as unknown in training, so that the unknown is trained


@dataclass(frozen=True)
class Fields:
    """Rows of one side over the columns of its table."""

    matrix: Rows  # [n, columns] float32, unknown columns held explicitly
    names: Texts  # [columns] what a column is called from night to night
    field: I32  # [columns] its field; -1 = a number or a constant, never masked
    unknown: Flags  # [columns]

    @property
    def n_fields(self) -> int:
        return int(self.field.max(initial=-1)) + 1

    def masked(self, rows: I32, rng: np.random.Generator) -> Rows:
        """The given rows with some known fields made unknown."""
        x = self.matrix[rows]
        if not self.n_fields:
            return x
        owner = np.repeat(np.arange(len(rows)), np.diff(x.indptr))
        field = self.field[x.indices]
        hidden = (rng.random((len(rows), self.n_fields)) < MASKED)[owner, field] & (field >= 0)
        x.data = np.where(hidden, self.unknown[x.indices], x.data).astype(np.float32)
        return x


@dataclass(frozen=True)
class Side:
    """The fields of one side next to each other, and where each part lies."""

    fields: Fields
    parts: Mapping[str, slice]


def constant(n: int) -> Fields:
    """One column of ones."""
    return Fields(sparse.csr_matrix(np.ones((n, 1), np.float32)), _text(["constant"]), _no_field(1), np.zeros(1, bool))


def identities(index: Index, known: Flags, prefix: str, maskable: bool = True) -> Fields:
    """A column per known row; if maskable, one more for the unknown: the others, and whoever comes later."""
    at = np.flatnonzero(known)
    ones = np.ones(len(at), dtype=np.float32)
    own = sparse.csr_matrix((ones, (at, np.arange(len(at)))), shape=(len(index), len(at)))
    names = [f"{prefix}:{index.ids[row]}" for row in at]
    if not maskable:
        return Fields(own, _text(names), _no_field(len(at)), np.zeros(len(at), bool))
    return _with_unknown(own, [*names, f"{prefix}?"], np.zeros(len(at), dtype=np.int32), 1)


def categories(row: I32, index: Index, prefix: str) -> Fields:
    """A column per id of the index and the unknown; `row` int32[n], -1 = unknown."""
    at = np.flatnonzero(row >= 0)
    shape = (len(row), len(index))
    own = sparse.csr_matrix((np.ones(len(at), dtype=np.float32), (at, row[at])), shape=shape)
    names = [f"{prefix}:{i}" for i in index.ids]
    return _with_unknown(own, [*names, f"{prefix}?"], np.zeros(len(index), dtype=np.int32), 1)


def feature_fields(features: Features, prefix: str, family: str, bags: bool = True) -> Fields:
    """`field:value` columns grouped by field, `field` columns as numbers; raises FitError on NaN.

    A field of which a row can have several values is a bag; without `bags` it gets no unknown column, an empty bag
    then being a sum of nothing.
    """
    x = features.matrix
    if not np.isfinite(x.data).all():
        column = features.columns.ids[x.indices[~np.isfinite(x.data)][0]]
        raise FitError(family, got=f"NaN in feature {column!r}", wanted="numbers", cure="Fill or drop the column.")
    of = np.array([str(c).split(":", 1)[0] if ":" in str(c) else "" for c in features.columns.ids], dtype=object)
    found = sorted(f for f in set(of) - {""} if bags or _most(x[:, np.flatnonzero(of == f)]) <= 1)
    field = np.array([found.index(f) if f in found else -1 for f in of], dtype=np.int32)
    names = [f"{prefix}.{c}" for c in features.columns.ids] + [f"{prefix}.{f}?" for f in found]
    return _with_unknown(x, names, field, len(found))


def beside(parts: Mapping[str, Fields], n: int) -> Side:
    """The parts' columns next to each other; n rows."""
    field, slices, used, columns = [_no_field(0)], {}, 0, 0
    for name, part in parts.items():
        field.append(np.where(part.field >= 0, part.field + used, -1).astype(np.int32))
        slices[name] = slice(columns, columns + len(part.names))
        used, columns = used + part.n_fields, columns + len(part.names)
    both = Fields(
        sparse.hstack([sparse.csr_matrix((n, 0)), *[p.matrix for p in parts.values()]], format="csr", dtype=np.float32),
        np.concatenate([_text([]), *[p.names for p in parts.values()]]),
        np.concatenate(field),
        np.concatenate([np.empty(0, bool), *[p.unknown for p in parts.values()]]),
    )
    return Side(both, slices)


def _with_unknown(x: Rows, names: list[str], field: I32, n_fields: int) -> Fields:
    """`n_fields` columns added: 1 where a row has nothing of the field, an explicit 0 where it has."""
    n, columns = x.shape
    own = np.flatnonzero(field >= 0)
    of = sparse.csr_matrix((np.ones(len(own)), (own, field[own])), shape=(columns, n_fields))
    present = np.asarray(((x != 0) @ of).todense()) > 0
    rows, cols = np.divmod(np.arange(n * n_fields), max(n_fields, 1))
    missing = sparse.csr_matrix(((~present).ravel().astype(np.float32), (rows, cols)), shape=(n, n_fields))
    both = sparse.hstack([x, missing], format="csr", dtype=np.float32)
    every = np.concatenate([field, np.arange(n_fields, dtype=np.int32)])
    return Fields(both, _text(names), every, np.arange(columns + n_fields) >= columns)


def _most(x: Rows) -> int:
    return int(np.diff(sparse.csr_matrix(x).indptr).max(initial=0))


def _no_field(n: int) -> I32:
    return np.full(n, -1, dtype=np.int32)


def _text(names: list[str]) -> Texts:
    return np.array(names, dtype=object)
