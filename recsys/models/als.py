"""Implicit alternating least squares (Hu, Koren and Volinsky 2008), fitted by the `implicit` library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from recsys.contract import F32, Dataset, Fitted, Index, Part, Rows, Run, State
from recsys.errors import FitError
from recsys.models.guard import check_deadline, check_finite, check_memory
from recsys.models.settings import Range
from recsys.scorers.factors import FactorScorer
from recsys.scorers.history import Weighting, weigh
from recsys.scorers.tower import FoldIn


@dataclass(frozen=True)
class Als:
    """A customer's vector is solved from the history at scoring time, so a customer first seen today gets a list."""

    family: ClassVar[str] = "als"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS})

    dimension: Annotated[int, Range(1, 2048)] = 192
    regularisation: Annotated[float, Range(1e-6, 1e9)] | None = None  # None: see `default_regularisation`
    alpha: Annotated[float, Range(1e-6, 1e6)] = 8.0
    sweeps: Annotated[int, Range(1, 1000)] = 15
    weighting: Weighting = "binary"
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = None
    threads: Annotated[int, Range(1, 256)] = 1  # more than 1 is faster and not bit-equal from run to run
    memory_mb: Annotated[int, Range(1)] = 8192

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError on NaN, the deadline, or more memory than `memory_mb`."""
        u, m = len(data.space.customers), data.n_products
        check_memory(
            "als", 8 * (u + m) * self.dimension + 40 * len(data.events.product), self.memory_mb, f"{u} + {m} vectors"
        )
        now = np.full(u, data.as_of, dtype=np.int64)
        x = weigh(data.events, m, self.weighting, now, self.half_life_days)
        if not x.nnz:
            raise FitError("als", got="no purchases by known customers", wanted="at least one")
        start = run.start if run.start is not None and int(run.start["as_of"][0]) <= data.as_of else None
        regularisation = self.regularisation or default_regularisation(x, self.alpha)
        model = self._fit(x, run, data, start, regularisation)
        check_finite("als", model.item_factors, model.user_factors)
        vectors: F32 = model.item_factors
        sold = np.bincount(x.indices, minlength=m) > 0
        scorer = FactorScorer(
            data.space,
            vectors,
            bias=np.where(sold, 0, np.nan).astype(np.float32),
            fold_in=FoldIn(_gram(vectors, regularisation), self.alpha, self.weighting, self.half_life_days),
        )
        return Fitted(
            scorer,
            _state(data, model),
            {"n_iterations": self.sweeps, "regularisation": regularisation, "warm_start": start is not None},
        )

    def _fit(self, x: Rows, run: Run, data: Dataset, start: State | None, regularisation: float) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        def log(sweep: int, seconds: float, loss: float | None) -> None:
            run.log(sweep, seconds=seconds)
            check_deadline(run, "als", f"{sweep + 1} sweeps")

        with threadpool_limits(1, "blas"):  # more BLAS threads make the sweeps four to ten times slower
            model = AlternatingLeastSquares(
                factors=self.dimension,
                regularization=regularisation,
                alpha=self.alpha,
                iterations=self.sweeps,
                num_threads=self.threads,
                random_state=run.seed,
            )
            if start is not None:
                rng = np.random.default_rng(run.seed)
                model.user_factors = _carry(start, "customer", data.space.customers, self.dimension, rng)
                model.item_factors = _carry(start, "product", data.space.products, self.dimension, rng)
            model.fit(x, show_progress=False, callback=log)
        return model


def default_regularisation(x: Rows, alpha: float) -> float:
    """Proportional to alpha and to the geometric mean of purchases per customer and per product."""
    return 0.05 * alpha * float(np.sqrt(x.nnz / x.shape[0] * x.nnz / x.shape[1]))


def _gram(vectors: F32, regularisation: float) -> F32:
    wide = vectors.astype(np.float64)
    gram: F32 = (wide.T @ wide + regularisation * np.eye(vectors.shape[1])).astype(np.float32)
    return gram


def _state(data: Dataset, model: Any) -> State:
    return {
        "as_of": np.array([data.as_of], dtype=np.int64),
        "customer_ids": data.space.customers.ids,
        "customer_vectors": model.user_factors,
        "product_ids": data.space.products.ids,
        "product_vectors": model.item_factors,
    }


def _carry(start: State, side: str, index: Index, dimension: int, rng: np.random.Generator) -> F32:
    """Last night's vectors by id; small random ones for who is new or when the dimension changed."""
    fresh = (rng.random((len(index), dimension)) * 0.01).astype(np.float32)
    old = start[f"{side}_vectors"]
    if old.shape[1] == dimension:
        rows = index.rows(start[f"{side}_ids"])
        fresh[rows[rows >= 0]] = old[rows >= 0]
    return fresh
