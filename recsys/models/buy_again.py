"""Buy again: what a customer bought often and lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from recsys.contract import Dataset, Fitted, Part, Run
from recsys.models.settings import Range
from recsys.scorers.history import Weighting
from recsys.scorers.linear import LinearScorer


@dataclass(frozen=True)
class BuyAgain:
    """The sum over own purchases of 2^(-age / half-life); nothing is learnt, and new products have no opinion."""

    family: ClassVar[str] = "buy_again"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS})

    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = 90.0
    weighting: Weighting = "events"

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Never fails: the history comes with the query."""
        scorer = LinearScorer(data.space, "history", weighting=self.weighting, half_life_days=self.half_life_days)
        return Fitted(scorer, report={"n_iterations": 0})
