"""Second-order factorization machine (Rendle 2010) with the pooled history as one of its fields.

    y(q, j) = w_j + sum over pairs of columns of <v_a, v_b> x_a x_b

over the columns of who asks (history, customer, features, segment, month) and of the product (identity, features).
Pairs within the query side are the same for every product of a row and drop out of a ranking; pairs within the
product side are a number per product. What remains is an inner product and a bias, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from recsys.contract import Dataset, Fitted, Part, Run
from recsys.models.settings import Range
from recsys.models.torch.losses import Loss
from recsys.models.torch.network import Form, Negatives

Query = Literal["history", "customer", "both"]
NEGATIVES: dict[str, int] = {"softmax": 64, "bpr": 1, "logistic": 6}
DRAWN: dict[str, int] = {"softmax": 256, "bpr": 64, "logistic": 256}  # for each batch, to estimate those


@dataclass(frozen=True)
class FactorizationMachine:
    """Fields: history, customer, segment, month, customer features; product and product features."""

    family: ClassVar[str] = "factorization_machine"
    needs: ClassVar[frozenset[Part]] = frozenset(
        {Part.EVENTS, Part.CUSTOMER_FEATURES, Part.PRODUCT_FEATURES, Part.VALIDATION}
    )

    loss: Loss = "softmax"
    dimension: Annotated[int, Range(0, 2048)] | None = None  # 0: the linear part alone; None: `usual_dimension`
    query: Query = "history"  # who asks: what they bought, their own identity, or both
    negatives: Negatives | None = None  # of a purchase; None: see NEGATIVES
    learning_rate: Annotated[float, Range(1e-6, 1)] = 0.003
    dropout: Annotated[float, Range(0, 0.95)] = 0.3  # of the query's summed vector
    regularisation: Annotated[float, Range(0, 1e3)] = 0.0  # times the mean squared length of either side's sum
    epochs: Annotated[int, Range(1, 10_000)] | None = None  # None: stopped early, see `loop.fit`
    side_features: bool = True  # False: identities, history and context alone

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
            learning_rates=(self.learning_rate, self.learning_rate),
            linear=True,
            dropout=self.dropout,
            regularisation=self.regularisation,
            loss=self.loss,
            random=DRAWN[self.loss],
            negatives=self.negatives or NEGATIVES[self.loss],
        )
