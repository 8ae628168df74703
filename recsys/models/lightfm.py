"""LightFM (Kula 2015): customers and products as sums of their features' vectors; four losses, one family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from recsys.contract import EMPTY, F32, Dataset, Fitted, Part, Run, State
from recsys.errors import FitError
from recsys.models.guard import check_deadline, check_finite, usable
from recsys.models.lightfm_data import Side, Training, training
from recsys.models.progress import Pairs
from recsys.models.settings import Range
from recsys.scorers.factors import FactorScorer
from recsys.scorers.tower import Tower

Loss = Literal["logistic", "bpr", "warp", "warp-kos"]
ARRAYS = tuple(f"{part}{kind}" for part in ("embedding", "bias") for kind in ("", "_gradients", "_momentum"))
STATE = tuple(f"{side}_{array}" for side in ("customer", "product") for array in ARRAYS)
# Decay per update. The logistic loss makes many updates per purchase, and any decay takes it back to popularity.
REGULARISATION: dict[str, float] = {"logistic": 0.0, "bpr": 1e-5, "warp": 1e-5, "warp-kos": 1e-5}
DEFAULT_SAMPLES: dict[str, int] = {"logistic": 4, "bpr": 1, "warp": 30, "warp-kos": 30}


@dataclass(frozen=True)
class Lightfm:
    """Identity features are always kept; side features are added to them, so a new product has a vector."""

    family: ClassVar[str] = "lightfm"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS, Part.CUSTOMER_FEATURES, Part.PRODUCT_FEATURES})

    loss: Loss = "warp"
    dimension: Annotated[int, Range(1, 2048)] = 64
    epochs: Annotated[int, Range(1, 10_000)] = 20
    learning_rate: Annotated[float, Range(1e-6, 10)] | None = 0.05  # of adagrad; None: adadelta, which sets its own
    regularisation: Annotated[float, Range(0, 1)] | None = None  # None: see REGULARISATION
    samples: Annotated[int, Range(1, 1000)] | None = None  # logistic: negatives per purchase; WARP, k-OS: tries
    side_features: bool = True  # False: identities alone
    threads: Annotated[int, Range(1, 256)] = 1  # more than 1 (Hogwild) is faster and never the same twice

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError on NaN in features or parameters, the deadline, or fewer than two products sold."""
        given = training(data, self.side_features)
        if len(given.sold) < 2:
            raise FitError("lightfm", got=f"{len(given.sold)} product sold", wanted="at least 2 to tell apart")
        start = usable(run.start, data.as_of, "adadelta", "customer_names", "product_names", *STATE)
        model, warm = self._prepare(given, run.seed, start)
        epochs = max(1, self.epochs // 3) if warm else self.epochs
        rng, pairs = np.random.default_rng(run.seed), Pairs.of(given.bought.tocsr(), run.seed)
        for epoch in range(epochs):
            self._run_epoch(model, given, rng)
            run.log(epoch, train_auc=_auc(model, given, pairs))
            check_deadline(run, "lightfm", f"{epoch + 1} epochs")
        report = {"n_iterations": epochs, "loss": self.loss, "warm_start": warm, "hogwild": self.threads > 1}
        return Fitted(_scorer(data, given, model), _state(data, given, model), report)

    def _prepare(self, given: Training, seed: int, start: State | None) -> tuple[Any, bool]:
        """The library's model with its tables allocated, and whether they hold last night's rows."""
        from lightfm import LightFM

        # The library takes the logarithm of products / tries, so it must not try more often than there are products.
        tries = max(1, min(self.samples or DEFAULT_SAMPLES[self.loss], len(given.sold) - 1))
        decay = REGULARISATION[self.loss] if self.regularisation is None else self.regularisation
        model = LightFM(
            no_components=self.dimension,
            learning_schedule="adadelta" if self.learning_rate is None else "adagrad",
            loss=self.loss,
            learning_rate=self.learning_rate or 0.05,
            item_alpha=decay,
            user_alpha=decay,
            max_sampled=tries,
            random_state=seed,
        )
        model.fit_partial(given.bought, given.customers.matrix, given.products.matrix, epochs=0)
        if start is None or start["product_embedding"].shape[1] != self.dimension:
            return model, False
        if bool(start["adadelta"][0]) != (self.learning_rate is None):  # the optimisers' memories do not mix
            return model, False
        for side, prefix in ((given.customers, "user"), (given.products, "item")):
            _carry(model, prefix, side, start)
        return model, True

    def _run_epoch(self, model: Any, given: Training, rng: np.random.Generator) -> None:
        bought, weight = given.bought, given.weight
        if self.loss == "logistic":  # trained on both signs, or it never leaves popularity
            bought, weight = given.with_negatives(self.samples or DEFAULT_SAMPLES["logistic"], rng)
        try:
            model.fit_partial(
                bought,
                given.customers.matrix,
                given.products.matrix,
                sample_weight=None if self.loss == "warp-kos" else weight,  # the library takes none with k-OS
                num_threads=self.threads,
            )
        except ValueError as error:
            raise FitError("lightfm", got=str(error).replace("\n", " "), cure="Lower learning_rate.") from error


def _auc(model: Any, given: Training, pairs: Pairs) -> float:
    """How often a purchase outranks a product not bought; LightFM reports no loss of its own."""
    with np.errstate(all="ignore"):  # a diverging fit is found out by its parameters
        customer = given.customers.matrix[pairs.customer] @ model.user_embeddings
        rows = given.products.matrix[pairs.bought] - given.products.matrix[pairs.other]
        margin = (customer * (rows @ model.item_embeddings)).sum(axis=1) + rows @ model.item_biases
    return pairs.auc(margin)


def _scorer(data: Dataset, given: Training, model: Any) -> FactorScorer:
    """The bias of a customer rides along as one more dimension, so that scores equal the library's own."""
    users = np.column_stack([model.user_embeddings, model.user_biases])
    items = np.column_stack([model.item_embeddings, model.item_biases])
    u, width = len(data.space.customers), users.shape[1]
    known, table = len(given.active), np.zeros((u + 1, width), dtype=np.float32)
    table[given.active] = users[:known]
    summed = given.all_products @ items
    vectors = summed.astype(np.float32)
    vectors[:, -1] = 1
    check_finite("lightfm", users, items, vectors)
    bias: F32 = np.where(np.diff(given.all_products.indptr) > 0, summed[:, -1], np.nan).astype(np.float32)
    tower = Tower(width, customers=table, features=users[known:] if given.side_features else None)
    inputs = data.customer_features.columns if given.side_features else EMPTY
    return FactorScorer(data.space, vectors, bias, tower, inputs=inputs)


def _state(data: Dataset, given: Training, model: Any) -> State:
    state: State = {
        "as_of": np.array([data.as_of], dtype=np.int64),
        "adadelta": np.array([model.learning_schedule == "adadelta"]),
    }
    for side, name, prefix in ((given.customers, "customer", "user"), (given.products, "product", "item")):
        state[f"{name}_names"] = side.names
        for array in ARRAYS:
            state[f"{name}_{array}"] = getattr(model, _attribute(prefix, array)).copy()
    return state


def _carry(model: Any, prefix: str, side: Side, start: State) -> None:
    """Write last night's rows over the fresh ones, by name; the optimiser's memory comes along."""
    name = "customer" if prefix == "user" else "product"
    row_of = {text: row for row, text in enumerate(side.names)}
    at = np.array([row_of.get(text, -1) for text in start[f"{name}_names"]], dtype=np.int64)
    for array in ARRAYS:
        getattr(model, _attribute(prefix, array))[at[at >= 0]] = start[f"{name}_{array}"][at >= 0]


def _attribute(prefix: str, array: str) -> str:
    """The library says `biases` and `embeddings` for the tables themselves."""
    plural = {"embedding": "embeddings", "bias": "biases"}
    return f"{prefix}_{plural.get(array, array)}"
