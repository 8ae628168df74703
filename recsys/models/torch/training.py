"""What is trained on: purchases, fields of both sides, candidates; and a network of fresh or last night's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from recsys.contract import EMPTY, F32, Dataset, Features, Flags, Rows, State, Texts
from recsys.errors import FitError
from recsys.models.guard import usable
from recsys.models.torch.fields import Fields, Side, beside, categories, constant, feature_fields, identities
from recsys.models.torch.layers import fresh_layers, parameters
from recsys.models.torch.network import Batch, Form, Network, slots
from recsys.models.torch.purchases import Past, Purchases, Visits
from recsys.models.torch.sampling import Sampler, drop_known
from recsys.models.torch.tables import carry, random_rows, table_of

SCALE = 0.1  # standard deviation of a fresh row
MONTHS = np.array([f"month:{month + 1}" for month in range(12)], dtype=object)


@dataclass(frozen=True)
class Training:
    """A Dataset in the form's terms."""

    form: Form
    purchases: Purchases
    sold: Flags  # [m]
    about: Side  # who asks, apart from history and month
    products: Side
    months: bool
    sampler: Sampler
    columns: Texts  # products as history columns

    @property
    def n_products(self) -> int:
        return len(self.sold)

    def batch(self, visits: Visits, rows: slice, rng: np.random.Generator) -> Batch:
        """The visits of `rows` with the candidates their targets compete with."""
        customer, n = visits.customer[rows], rows.stop - rows.start
        target = self.purchases.product[visits.target[visits.start[rows.start] : visits.start[rows.stop]]]
        past = Past.of(self.purchases, visits, rows)
        product, added = self.sampler.draw(target, rng)
        slot = slots(product, self.n_products)
        query: dict[str, Rows] = {"about": self.about.fields.masked(customer, rng)}
        if self.form.history:
            query["history"] = past.pooled(n, self.n_products)
        if self.months:
            month = (np.ones(n, dtype=np.float32), (np.arange(n), visits.month[rows]))
            query["months"] = sparse.csr_matrix(month, shape=(n, 12))
        return Batch(
            query=query,
            product=self.products.fields.masked(product, rng),
            owner=np.repeat(np.arange(n), np.diff(visits.start[rows.start : rows.stop + 1])),
            slot=slot[target],
            added=drop_known(added, slot, past.owner, past.product, n),
        )


def training(data: Dataset, form: Form) -> Training:
    """Raises FitError on NaN in features, or fewer than two products sold."""
    purchases = Purchases.of(data.events)
    counts = purchases.counts(data.n_products)
    if np.count_nonzero(counts) < 2:
        raise FitError(form.family, got=f"{np.count_nonzero(counts)} product sold", wanted="at least 2 to tell apart")
    m = data.n_products
    return Training(
        form=form,
        purchases=purchases,
        sold=counts > 0,
        about=_about(data, form),
        products=_products(data, form, counts > 0),
        months=form.context and len(np.unique(purchases.month)) > 1,
        sampler=Sampler(counts / counts.sum(), form.random, in_batch=form.loss == "softmax", negatives=form.negatives),
        columns=np.array([f"history:{i}" for i in data.space.products.ids], dtype=object) if m else EMPTY.ids,
    )


def _about(data: Dataset, form: Form) -> Side:
    u = len(data.space.customers)
    parts: dict[str, Fields] = {"constant": constant(u)}
    if form.customers:
        active = np.diff(data.events.start) > 0
        parts["customers"] = identities(data.space.customers, active, "customer")
    if form.side_features and data.customer_features.matrix.nnz:
        parts["features"] = feature_fields(data.customer_features, "customer", form.family, bags=False)
    if form.context and len(data.space.segments) > 1:
        parts["segments"] = categories(data.customer_segment, data.space.segments, "segment")
    return beside(parts, u)


def _products(data: Dataset, form: Form, sold: Flags) -> Side:
    features: Features = data.product_features
    has_features = form.side_features and bool(features.matrix.nnz)
    parts = {"products": identities(data.space.products, sold, "product", maskable=has_features)}
    if has_features:
        parts["features"] = feature_fields(features, "product", form.family)
    return beside(parts, data.n_products)


def network(given: Training, start: State | None, rng: np.random.Generator, device: str) -> Network:
    """Fresh tables and layers; with last night's state, its rows by name."""
    form = given.form
    d, (query_rate, product_rate) = form.dimension, form.learning_rates
    names = table_names(given)
    values = {
        name: random_rows(len(names[name]), d + (form.linear and name == "products"), SCALE, rng) for name in names
    }
    values["about"][: given.about.parts["constant"].stop] = 0
    if "months" in values:
        values["months"][:] = 0
    if form.linear:
        values["products"][:, d] = 0
    layers = (fresh_layers(d, form.query_layers, d, rng), fresh_layers(d, form.product_layers, d, rng))
    weights = [parameters(some, device) for some in layers]
    if start is not None:
        _restore(values, weights, names, start)
    tables = {n: table_of(v, product_rate if n == "products" else query_rate, device) for n, v in values.items()}
    averages = tuple([w.detach().clone() for w in some] for some in weights)
    return Network(
        form=form,
        query={n: t for n, t in tables.items() if n != "products"},
        product=tables["products"],
        layers=layers,
        weights=(weights[0], weights[1]),
        averages=(averages[0], averages[1]),
        optimisers=_optimisers(weights, form.learning_rates),
    )


def _optimisers(weights: list[Any], rates: tuple[float, float]) -> list[Any]:
    import torch

    return [torch.optim.Adam(some, lr=rate) for some, rate in zip(weights, rates, strict=True) if some and rate]


def table_names(given: Training) -> Mapping[str, Texts]:
    """What each table's rows are called from night to night."""
    names = {"about": given.about.fields.names, "products": given.products.fields.names}
    if given.form.history:
        names["history"] = given.columns
    if given.months:
        names["months"] = MONTHS
    return names


def state_of(given: Training, trained: Network, as_of: int, epochs: int) -> State:
    """Averages by name, for tomorrow's warm start."""
    state: State = {
        "as_of": np.array([as_of], dtype=np.int64),
        "epochs": np.array([epochs], dtype=np.int64),
        "form": np.array(_signature(given.form), dtype=object),
    }
    for name, texts in table_names(given).items():
        table = trained.product if name == "products" else trained.query[name]
        state[f"{name}_names"], state[f"{name}_rows"] = texts, table.average.cpu().numpy()
    for side, averages in zip(("query", "product"), trained.averages, strict=True):
        state |= {f"{side}_layer_{at}": average.cpu().numpy() for at, average in enumerate(averages)}
    return state


def usable_start(start: State | None, form: Form, as_of: int) -> State | None:
    """Last night's state if it is of this form and knows nothing later than `as_of`, else None: a cold start."""
    start = usable(
        start, as_of, "form", "epochs", *(f"{t}_{k}" for t in ("about", "products") for k in ("names", "rows"))
    )
    return start if start is not None and list(start["form"]) == _signature(form) else None


def _signature(form: Form) -> list[str]:
    """What two nights must share for one to start from the other's rows."""
    shape = (form.dimension, form.history, form.customers, form.linear, form.query_layers, form.product_layers)
    return [form.family, form.join, *map(str, shape)]


def _restore(values: dict[str, F32], weights: list[Any], names: Mapping[str, Texts], start: State) -> None:
    import torch

    for name, fresh in values.items():
        if f"{name}_rows" in start:
            carry(fresh, names[name], start[f"{name}_rows"], start[f"{name}_names"])
    for side, some in zip(("query", "product"), weights, strict=True):
        for at, weight in enumerate(some):
            with torch.no_grad():
                weight.copy_(torch.from_numpy(start[f"{side}_layer_{at}"]))
