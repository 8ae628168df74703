"""Two towers, for who asks and for products (Yi et al. 2019; mixed negatives of Yang et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from recsys.contract import Dataset, Fitted, Part, Run
from recsys.models.settings import Range
from recsys.models.torch.network import Form, Join, Negatives

Query = Literal["history", "customer", "both"]
Width = Annotated[int, Range(1, 4096)]


@dataclass(frozen=True)
class TwoTower:
    """A learning rate of 0 freezes its tower; layers are widths of hidden layers, none for a sum of vectors alone."""

    family: ClassVar[str] = "two_tower"
    needs: ClassVar[frozenset[Part]] = frozenset(
        {Part.EVENTS, Part.CUSTOMER_FEATURES, Part.PRODUCT_FEATURES, Part.VALIDATION}
    )

    dimension: Annotated[int, Range(1, 2048)] | None = None  # None: see `loop.usual_dimension`
    query: Query = "history"  # who asks: what they bought, their own identity, or both
    query_layers: tuple[Width, ...] = ()
    product_layers: tuple[Width, ...] = ()
    learning_rates: Annotated[tuple[float, float], Range(0, 1)] = (0.003, 0.003)  # of query and product tower
    join: Join = "cosine"
    temperature: Annotated[float, Range(1e-3, 100)] = 0.1  # of cosine and distance
    negatives: Negatives | None = None  # of a purchase; None: all products. Few serve the middle of a list
    dropout: Annotated[float, Range(0, 0.95)] = 0.0
    epochs: Annotated[int, Range(1, 10_000)] | None = None  # None: stopped early, see `loop.fit`
    side_features: bool = True  # False: identities, history, segment and month alone

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError on NaN in features or in training, the deadline, or fewer than two products sold."""
        from recsys.models.torch.loop import fit, usual_dimension

        usual = usual_dimension(len(data.events.product))
        form = self._form(usual if self.dimension is None else self.dimension)
        return fit(form, data, run, self.epochs)

    def _form(self, dimension: int) -> Form:
        return Form(
            family=self.family,
            dimension=dimension,
            history=self.query != "customer",
            customers=self.query != "history",
            context=True,
            side_features=self.side_features,
            learning_rates=self.learning_rates,
            query_layers=self.query_layers,
            product_layers=self.product_layers,
            join=self.join,
            temperature=self.temperature,
            dropout=self.dropout,
            negatives=self.negatives,
        )
