"""User neighbours: customers with similar histories, rare products telling more than popular ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from recsys.contract import Dataset, Fitted, Part, Run
from recsys.errors import FitError
from recsys.models.settings import Range
from recsys.scorers.history import Weighting, weigh
from recsys.scorers.lookalike import LookalikeScorer

Power = Annotated[float, Range(0, 3)]


@dataclass(frozen=True)
class UserNeighbours:
    """score_j = d_j^-c sum_v sim(q, v)^sharpness x_vj over the K nearest v; sim = sum_i x_qi x_vi d_i^-a / d_v^b.

    d_i and d_v are purchases of a product and by a customer; (a, b, c) = `powers`. Cosine is a = c = 0, b = .5,
    sharpness = 1; the defaults ask more of a neighbour: rare products in common, and few others.
    """

    family: ClassVar[str] = "user_neighbours"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS})

    neighbours: Annotated[int, Range(1, 100_000)] = 250
    powers: tuple[Power, Power, Power] = (0.5, 0.8, 0.15)
    sharpness: Annotated[float, Range(0.1, 10)] = 2.0
    weighting: Weighting = "binary"
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = 180.0

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when no known customer bought anything."""
        m, u = data.n_products, len(data.events)
        now = np.full(u, data.as_of, dtype=np.int64)
        past = weigh(data.events, m, self.weighting, now, self.half_life_days)
        if not past.nnz:
            raise FitError("user_neighbours", got="no purchases by known customers", wanted="at least one")
        a, b, c = self.powers
        buyers = np.maximum(np.bincount(past.indices, minlength=m), 1)
        scorer = LookalikeScorer(
            data.space,
            past,
            product_weight=(buyers**-a).astype(np.float32),
            scored_weight=(buyers**-c).astype(np.float32),
            norm=(np.maximum(np.diff(past.indptr), 1) ** b).astype(np.float32),
            neighbours=self.neighbours,
            sharpness=self.sharpness,
            weighting=self.weighting,
            half_life_days=self.half_life_days,
        )
        return Fitted(scorer, report={"n_iterations": 1})
