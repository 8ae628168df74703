"""EASE: the item-item ridge regression with a zero diagonal in closed form (Steck 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from recsys.contract import F32, F64, Dataset, Fitted, Part, Rows, Run
from recsys.errors import FitError
from recsys.models.guard import check_finite, check_memory
from recsys.models.settings import Range
from recsys.scorers.history import Weighting, weigh
from recsys.scorers.linear import LinearScorer

BYTES_PER_CELL = 24  # the Gram matrix in float64, its sparse form while it is counted, the weights in float32


@dataclass(frozen=True)
class Ease:
    """Exact and fast while products squared fit into memory; refuses a larger catalogue before it starts."""

    family: ClassVar[str] = "ease"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS})

    regularisation: Annotated[float, Range(1e-6, 1e9)] | None = None  # None: see `default_regularisation`
    weighting: Weighting = "binary"
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = 180.0
    memory_mb: Annotated[int, Range(1)] = 4096

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when products^2 * 24 bytes exceed `memory_mb`, or nothing was bought."""
        m = data.n_products
        check_memory("ease", BYTES_PER_CELL * float(m) ** 2, self.memory_mb, f"{m} x {m} products")
        now = np.full(len(data.events), data.as_of, dtype=np.int64)
        x = weigh(data.events, m, self.weighting, now, self.half_life_days)
        if not x.nnz:
            raise FitError("ease", got="no purchases by known customers", wanted="at least one")
        regularisation = self.regularisation or default_regularisation(x)
        weights = solve(x, regularisation)
        check_finite("ease", weights)
        scorer = LinearScorer(
            data.space, "history", dense=weights, weighting=self.weighting, half_life_days=self.half_life_days
        )
        return Fitted(scorer, report={"n_iterations": 1, "regularisation": regularisation})


def default_regularisation(x: Rows) -> float:
    """Four times the mean diagonal of X'X: with binary purchases four times the mean buyers per product."""
    return 4.0 * float(x.multiply(x).sum() / x.shape[1])


def solve(x: Rows, regularisation: float) -> F32:
    """float32[m, m] B = I - P / diag(P), P = (X'X + regularisation * I)^-1, by Cholesky in float64.

    B[i, j] says what having i speaks for j; the diagonal is 0. Steck 2019, equation 8.
    """
    from scipy.linalg.lapack import dpotrf, dpotri

    gram: F64 = (x.T @ x).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += regularisation
    factor, failed = dpotrf(gram.T, lower=True, overwrite_a=True)  # .T: symmetric, so the same matrix in LAPACK's order
    if failed:
        raise FitError("ease", got="a Gram matrix that is not positive definite", cure="Raise regularisation.")
    inverse, _ = dpotri(factor, lower=True, overwrite_c=True)
    scale = -1.0 / np.diag(inverse)
    lower = np.tril(inverse, -1)
    weights = (lower * scale).astype(np.float32)
    weights += (lower.T * scale).astype(np.float32)
    return np.ascontiguousarray(weights)
