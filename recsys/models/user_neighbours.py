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


@dataclass(frozen=True)
class UserNeighbours:
    """sim(q, v) = sum_i x_qi x_vi d_i^-popularity_power / |v|^neighbour_power, the K greatest, raised to `power`."""

    family: ClassVar[str] = "user_neighbours"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS})

    neighbours: Annotated[int, Range(1, 100_000)] = 150
    popularity_power: Annotated[float, Range(0, 2)] = 0.5
    neighbour_power: Annotated[float, Range(0, 2)] = 0.8
    power: Annotated[float, Range(0.1, 10)] = 2.0
    weighting: Weighting = "binary"
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = None

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when no known customer bought anything."""
        m, u = data.n_products, len(data.events)
        now = np.full(u, data.as_of, dtype=np.int64)
        past = weigh(data.events, m, self.weighting, now, self.half_life_days)
        if not past.nnz:
            raise FitError("user_neighbours", got="no purchases by known customers", wanted="at least one")
        buyers = np.maximum(np.bincount(past.indices, minlength=m), 1)
        weight = (buyers**-self.popularity_power).astype(np.float32)
        length = np.asarray(past @ weight).ravel()
        norm = np.where(length > 0, length, 1) ** self.neighbour_power
        scorer = LookalikeScorer(
            data.space,
            past,
            weight,
            norm.astype(np.float32),
            self.neighbours,
            self.power,
            self.weighting,
            self.half_life_days,
        )
        return Fitted(scorer, report={"n_iterations": 1})
