"""The query side of a factor scorer: tables summed and passed through layers, or a least-squares solve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys.contract import F32, I64, Queries, Rows
from recsys.scorers.history import Weighting, weigh


@dataclass(frozen=True)
class Pool:
    """The history as one vector: a weighted sum of a row per product, over n^0, n^1 or n^(1/2), n = total weight."""

    table: F32  # [m, d]
    divide: Literal["sum", "mean", "sqrt"] = "sum"
    weighting: Weighting = "binary"
    half_life_days: float | None = None

    def vectors(self, queries: Queries) -> F32:
        """float32[n, d]; zero for an empty history."""
        x = weigh(queries.history, len(self.table), self.weighting, queries.time, self.half_life_days)
        pooled: F32 = (x @ self.table).astype(np.float32, copy=False)
        if self.divide == "sum":
            return pooled
        total = np.asarray(x.sum(axis=1), dtype=np.float32)
        total = np.where(total > 0, total, np.float32(1))
        pooled /= total if self.divide == "mean" else np.sqrt(total)
        return pooled


@dataclass(frozen=True)
class Layer:
    """y = x @ weight + bias, then relu, then plus x."""

    weight: F32  # [in, out]
    bias: F32  # [out]
    relu: bool = True
    residual: bool = False

    def apply(self, x: F32) -> F32:
        """float32[n, in] to float32[n, out]."""
        y = x @ self.weight + self.bias
        if self.relu:
            np.maximum(y, 0, out=y)
        return y + x if self.residual else y


@dataclass(frozen=True)
class Tower:
    """Sum of the tables that are present, then layers, then (with a temperature) length 1 / temperature.

    Tables of customers and segments have one row more than there are ids: the last row serves the unknown.
    """

    width: int  # d of the tables
    customers: F32 | None = None  # [u + 1, d]
    history: Pool | None = None
    features: F32 | None = None  # [columns of the scorer's inputs, d]
    segments: F32 | None = None  # [segments + 1, d]
    months: F32 | None = None  # [12, d], January first
    constant: F32 | None = None  # [d]
    layers: tuple[Layer, ...] = ()
    temperature: float | None = None  # None: the vector keeps its length

    def vectors(self, queries: Queries) -> F32:
        """float32[n, out]."""
        x = np.zeros((len(queries), self.width), dtype=np.float32)
        if self.customers is not None:
            x += self.customers[queries.customer]  # -1 is the last row
        if self.history is not None:
            x += self.history.vectors(queries)
        if self.features is not None:
            x += queries.features.matrix @ self.features
        if self.segments is not None:
            x += self.segments[queries.segment]
        if self.months is not None:
            x += self.months[month_of(queries.time)]
        if self.constant is not None:
            x += self.constant
        for layer in self.layers:
            x = layer.apply(x)
        return x if self.temperature is None else unit_rows(x) / np.float32(self.temperature)


@dataclass(frozen=True)
class FoldIn:
    """A customer's vector solved from the history: (gram + Y'(C - I)Y) x = Y'c with c = alpha * weight.

    Hu, Koren and Volinsky 2008, equation 4, with `gram` = Y'Y + regularisation * I over all products.
    """

    gram: F32  # [d, d]
    alpha: float = 1.0
    weighting: Weighting = "binary"
    half_life_days: float | None = None

    def solve(self, queries: Queries, products: F32) -> F32:
        """float32[n, d] from product vectors [m, d]; zero for an empty history."""
        x = weigh(queries.history, len(products), self.weighting, queries.time, self.half_life_days)
        vectors = np.zeros((x.shape[0], products.shape[1]), dtype=np.float32)
        for row in np.flatnonzero(np.diff(x.indptr)):
            vectors[row] = self._solve_one(x, int(row), products)
        return vectors

    def _solve_one(self, x: Rows, row: int, products: F32) -> F32:
        from scipy.linalg.lapack import sposv

        cells = slice(x.indptr[row], x.indptr[row + 1])
        own = products[x.indices[cells]]
        confidence = np.float32(self.alpha) * x.data[cells]
        if confidence.min() >= 1:  # a product with its own transpose costs half
            scaled = own * np.sqrt(confidence - 1)[:, None]
            left = scaled.T @ scaled
        else:
            left = (own.T * (confidence - 1)) @ own
        left += self.gram
        _, solved, _ = sposv(left, own.T @ confidence, lower=True, overwrite_a=True)
        vector: F32 = solved
        return vector


def month_of(time: I64) -> I64:
    """Epoch seconds to 0 (January) .. 11, UTC."""
    months: I64 = time.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
    return months


def unit_rows(x: F32) -> F32:
    """Rows divided by their length; a zero row stays zero."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, np.where(length > 0, length, 1), dtype=np.float32)
