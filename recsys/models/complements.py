"""Complements: what else is bought in the same order, guests included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from scipy import sparse

from recsys.contract import DAY, F32, F64, Dataset, Fitted, Part, Rows, Run, Texts
from recsys.errors import FitError
from recsys.models.ease import BYTES_PER_CELL, solve
from recsys.models.guard import check_deadline, check_memory
from recsys.models.settings import Range
from recsys.scorers.linear import LinearScorer
from recsys.scorers.prune import strongest

BLOCK_CELLS = 4_000_000  # co-purchase counts held at once
MEMORY_MB = 4096  # room for the regression, which is products squared


@dataclass(frozen=True)
class Complements:
    """P(j | i) = n_ij / (n_i + shrinkage) over orders, divided by P(j)^popularity_power; variants of i never count.

    n_i and n_ij are orders that held i, and both, each counting products^-size_power (in an order of two hundred
    products a pair says little) and halving every half_life_days. With `regression` > 0 that many times the weights of
    a ridge regression over the same orders are added (Steck 2019, on orders in place of customers): it learns which of
    two products bought together carries the other, and which only goes along with what everybody buys.
    """

    family: ClassVar[str] = "complements"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.BASKETS})

    shrinkage: Annotated[float, Range(0, 1e6)] = 5.0  # orders of two products
    popularity_power: Annotated[float, Range(0, 1)] = 0.1  # 0: P(j | i) itself; 1: lift
    size_power: Annotated[float, Range(0, 2)] = 0.7
    min_together: Annotated[int, Range(1, 1_000_000)] = 2  # orders that held both, each counting 1
    neighbours: Annotated[int, Range(1, 100_000)] = 300  # kept per product in the basket
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = 180.0
    regression: Annotated[float, Range(0, 100)] = 0.0  # weight of what is learnt; 0: counting alone
    penalty: Annotated[float, Range(1e-3, 1e9)] = 20.0  # ridge, in orders of two products

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when no order held two products, at the deadline, or where the regression has no room."""
        if self.regression:
            m = data.n_products
            check_memory("complements", BYTES_PER_CELL * float(m) ** 2, MEMORY_MB, f"{m} x {m} products")
        held, weight = self._orders(data)
        if not len(weight):
            raise FitError("complements", got="no order with two products", wanted="at least one")
        weights = self._weights(held, weight, data.catalogue.design, run)
        scorer = LinearScorer(data.space, "basket", weights)
        return Fitted(scorer, report={"n_iterations": 1, "n_orders": len(weight), "n_weights": int(weights.nnz)})

    def _orders(self, data: Dataset) -> tuple[Rows, F64]:
        """[orders, m] of ones, orders of two products or more, and what each order counts."""
        lines = sparse.csr_matrix(data.baskets.lines, copy=True)
        lines.data = np.ones_like(lines.data)
        size = np.diff(lines.indptr).astype(np.float64)
        several = np.flatnonzero(size > 1)
        weight = (size[several] / 2) ** -self.size_power
        if self.half_life_days is not None:
            age = (data.as_of - data.baskets.time[several]) / (self.half_life_days * DAY)
            weight *= np.exp2(-np.clip(age, 0, 60))
        return lines[several], weight

    def _learn(self, held: Rows, weight: F64) -> F32 | None:
        """[m, m] weights of the ridge regression with a zero diagonal over the counted orders."""
        if not self.regression:
            return None
        return solve(sparse.csr_matrix(sparse.diags_array(np.sqrt(weight).astype(np.float32)) @ held), self.penalty)

    def _weights(self, held: Rows, weight: F64, design: Texts, run: Run) -> Rows:
        """[m, m] csr, rows = in the basket, in blocks of rows so that memory stays bounded."""
        m = held.shape[1]
        counted = sparse.csr_matrix(sparse.diags_array(weight.astype(np.float32)) @ held)
        orders = np.asarray(counted.sum(axis=0)).ravel()
        share = np.where(orders > 0, orders / weight.sum(), 1) ** self.popularity_power
        variant = _design_rows(design, m)
        learnt = self._learn(held, weight)
        blocks = []
        step = max(1, BLOCK_CELLS // m)
        for at in range(0, m, step):
            rows = np.arange(at, min(at + step, m))
            together = (counted[:, rows].T @ held).toarray()
            if self.min_together > 1:
                together[(held[:, rows].T @ held).toarray() < self.min_together] = 0
            together[variant[rows, None] == variant[None, :]] = 0
            given: F32 = together / (orders[rows, None] + self.shrinkage + 1e-9) / share
            if learnt is not None:
                given += np.where(variant[rows, None] == variant[None, :], 0, self.regression * learnt[rows])
            blocks.append(strongest(given.astype(np.float32, copy=False), self.neighbours))
            check_deadline(run, "complements", f"{rows[-1] + 1} of {m} products")
        return sparse.csr_matrix(sparse.vstack(blocks))


def _design_rows(design: Texts, m: int) -> F64:
    """One number per design; a product without one stands for itself."""
    if not len(design):
        return np.arange(m, dtype=np.float64)
    _, number = np.unique(design.astype(str), return_inverse=True)
    alone = design.astype(str) == ""
    rows: F64 = np.where(alone, -1.0 - np.arange(m), number)
    return rows
