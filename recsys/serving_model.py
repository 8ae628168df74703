"""The published lists as an MLflow model: customer ids in, product ids out.

MLflow copies this file beside the arrays and runs it when the model is loaded, so it needs numpy and mlflow alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.models import set_model  # noqa: TID253  MLflow runs this file; the library never imports it
from mlflow.pyfunc.model import PythonModel  # noqa: TID253


class PublishedLists(PythonModel):
    """Answers from lists.npz: owners text[n] sorted, products text[m], places int32[n, k] padded with -1."""

    def load_context(self, context: Any) -> None:
        with np.load(context.artifacts["lists"], allow_pickle=False) as stored:
            self.owners, self.products, self.places = stored["owners"], stored["products"], stored["places"]

    def predict(self, context: Any, model_input: list[str]) -> list[list[str]]:  # type: ignore[override]
        """Products best first for each customer; an unknown one gets the shop's default list."""
        return [self.products[places[places >= 0]].tolist() for places in map(self._places, model_input)]

    def _places(self, customer: str) -> Any:
        for owner in (customer, "default"):
            at = int(np.searchsorted(self.owners, owner))
            if at < len(self.owners) and self.owners[at] == owner:
                return self.places[at]
        return np.empty(0, dtype=np.int32)


set_model(PublishedLists())
