"""Popularity: how many orders held a product, of all time or lately, everywhere or per segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from scipy import sparse

from recsys.contract import DAY, F64, I32, Dataset, Fitted, Part, Rows, Run
from recsys.errors import FitError
from recsys.models.settings import Range
from recsys.scorers.linear import LinearScorer


@dataclass(frozen=True)
class Popularity:
    """The share of orders that held a product, guests included."""

    family: ClassVar[str] = "popularity"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.BASKETS})

    window_days: Annotated[int, Range(1, 36_500)] | None = None  # None: of all time
    per_segment: bool = False
    shrinkage: Annotated[float, Range(0, 1e9)] = 200.0  # orders' worth of the overall share added to each segment

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when no order falls into the window."""
        held, segment = self._orders(data)
        counts = np.asarray(held.sum(axis=0), dtype=np.float64).ravel()
        overall = counts / held.shape[0]
        bias = overall[None, :]
        if self.per_segment:
            bias = np.vstack([self._per_segment(held, segment, len(data.space.segments), overall), overall])
        scorer = LinearScorer(data.space, source="none", bias=bias.astype(np.float32))
        return Fitted(scorer, report={"n_orders": int(held.shape[0]), "n_sold": int((counts > 0).sum())})

    def _orders(self, data: Dataset) -> tuple[Rows, I32]:
        """Which orders of the window held which product, and their segments."""
        recent = np.ones(len(data.baskets), dtype=bool)
        if self.window_days is not None:
            recent = data.baskets.time >= data.as_of - self.window_days * DAY
        if not recent.any():
            span = "" if self.window_days is None else f" of the last {self.window_days} days"
            raise FitError("popularity", got="no orders" + span, wanted="at least one")
        held = sparse.csr_matrix(data.baskets.lines[np.flatnonzero(recent)], copy=True)
        held.data = np.ones_like(held.data)
        return held, data.baskets.segment[recent]

    def _per_segment(self, held: Rows, segment: I32, n_segments: int, overall: F64) -> F64:
        known = np.flatnonzero(segment >= 0)
        cells = (np.ones(len(known)), (segment[known], known))
        member = sparse.csr_matrix(cells, shape=(n_segments, held.shape[0]))
        orders = np.asarray(member.sum(axis=1))
        counts = (member @ held).toarray() + self.shrinkage * overall
        shares: F64 = counts / np.maximum(orders + self.shrinkage, 1e-12)
        return shares
