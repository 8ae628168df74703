"""Implicit alternating least squares (Hu, Koren and Volinsky 2008), fitted by the `implicit` library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from recsys.contract import F32, Dataset, Fitted, Index, Part, Rows, Run, State
from recsys.errors import FitError
from recsys.models.guard import check_deadline, check_finite, check_memory, one_blas_thread, usable
from recsys.models.progress import Pairs
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
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = 180.0
    threads: Annotated[int, Range(1, 256)] = 1  # more than 1 is faster and not bit-equal from run to run
    memory_mb: Annotated[int, Range(1)] = 8192

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError on NaN, the deadline, or more memory than `memory_mb`."""
        u, m = len(data.space.customers), data.n_products
        needed = 8 * (u + m) * self.dimension + 40 * len(data.events.product)
        check_memory("als", needed, self.memory_mb, f"{u} + {m} vectors")
        now = np.full(u, data.as_of, dtype=np.int64)
        x = weigh(data.events, m, self.weighting, now, self.half_life_days)
        if not x.nnz:
            raise FitError("als", got="no purchases by known customers", wanted="at least one")
        regularisation = self.regularisation or default_regularisation(x, self.alpha)
        model, warm = self._prepare(data, run, regularisation)
        self._sweep(model, x, run)
        check_finite("als", model.item_factors, model.user_factors)
        scorer = FactorScorer(
            data.space,
            model.item_factors,
            bias=np.where(np.bincount(x.indices, minlength=m) > 0, 0, np.nan).astype(np.float32),
            fold_in=FoldIn(_gram(model.item_factors, regularisation), self.alpha, self.weighting, self.half_life_days),
        )
        report = {"n_iterations": model.iterations, "regularisation": regularisation, "warm_start": warm}
        return Fitted(scorer, _state(data, model), report)

    def _prepare(self, data: Dataset, run: Run, regularisation: float) -> tuple[Any, bool]:
        """The library's model, and whether it starts from last night's vectors, with a third of the sweeps."""
        from implicit.cpu.als import AlternatingLeastSquares

        start = usable(run.start, data.as_of, "customer_ids", "customer_vectors", "product_ids", "product_vectors")
        warm = start is not None and start["product_vectors"].shape[1] == self.dimension
        with one_blas_thread():
            model = AlternatingLeastSquares(
                factors=self.dimension,
                regularization=regularisation,
                alpha=self.alpha,
                iterations=max(1, self.sweeps // 3) if warm else self.sweeps,
                num_threads=self.threads,
                random_state=run.seed,
            )
        if start is not None and warm:
            rng = np.random.default_rng(run.seed)
            model.user_factors = _carry(start, "customer", data.space.customers, rng)
            model.item_factors = _carry(start, "product", data.space.products, rng)
        return model, warm

    def _sweep(self, model: Any, x: Rows, run: Run) -> None:
        pairs = Pairs.of(x, run.seed)

        def after(sweep: int, seconds: float, loss: float | None) -> None:
            difference = model.item_factors[pairs.bought] - model.item_factors[pairs.other]
            margin = (model.user_factors[pairs.customer] * difference).sum(axis=1)
            run.log(sweep, train_auc=pairs.auc(margin))  # the library's own loss would cost a tenth of the fit
            check_deadline(run, "als", f"{sweep + 1} sweeps")

        with one_blas_thread():
            model.fit(x, show_progress=False, callback=after)


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


def _carry(start: State, side: str, index: Index, rng: np.random.Generator) -> F32:
    """Last night's vectors by id; small random ones for who is new."""
    old, rows = start[f"{side}_vectors"], index.rows(start[f"{side}_ids"])
    vectors = (rng.random((len(index), old.shape[1])) * 0.01).astype(np.float32)
    vectors[rows[rows >= 0]] = old[rows >= 0]
    return vectors
