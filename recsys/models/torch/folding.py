"""A trained network as a factor scorer: numpy arrays that give the same scores without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.contract import EMPTY, F32, Dataset, Index
from recsys.models.guard import check_finite
from recsys.models.torch.fields import Side
from recsys.models.torch.layers import folded
from recsys.models.torch.network import Network
from recsys.models.torch.training import Training
from recsys.scorers.factors import FactorScorer
from recsys.scorers.tower import Layer, Pool, Tower, unit_rows


def fold(data: Dataset, given: Training, trained: Network) -> FactorScorer:
    """The averages as a scorer of `data`'s space; raises FitError when a number is not finite."""
    form = given.form
    tables = {name: _numpy(table.average) for name, table in trained.query.items()}
    product = _numpy(trained.product.average)
    layers = [folded(a, [_numpy(w) for w in b]) for a, b in zip(trained.layers, trained.averages, strict=True)]
    check_finite(
        form.family, product, *tables.values(), *(w for some in layers for x in some for w in (x.weight, x.bias))
    )
    vectors, bias = _product_side(given, product, layers[1])
    unknown = np.diff(given.products.fields.matrix.indptr) == 0
    bias[unknown] = np.nan
    tower, inputs = _tower(data, given, tables, layers[0])
    return FactorScorer(data.space, vectors, bias, tower, inputs=inputs)


def _product_side(given: Training, table: F32, layers: tuple[Layer, ...]) -> tuple[F32, F32]:
    """vectors [m, d] and bias [m] that turn every join into an inner product."""
    form, x = given.form, given.products.fields.matrix
    summed = (x @ table).astype(np.float32)
    vectors, bias = summed[:, : form.dimension], np.zeros(len(summed), dtype=np.float32)
    if form.linear:
        own = x.power(2) @ np.square(table[:, : form.dimension]).sum(axis=1)
        bias = (summed[:, form.dimension] + (np.square(vectors).sum(axis=1) - own) / 2).astype(np.float32)
    for layer in layers:
        vectors = layer.apply(vectors)
    if form.join == "cosine":
        return unit_rows(vectors), bias
    if form.join == "distance":
        lengths = np.square(vectors).sum(axis=1)
        return (2 * vectors / form.temperature).astype(np.float32), (bias - lengths / form.temperature).astype(
            np.float32
        )
    return np.ascontiguousarray(vectors), bias


def _tower(data: Dataset, given: Training, tables: dict[str, F32], layers: tuple[Layer, ...]) -> tuple[Tower, Index]:
    form, about, parts = given.form, tables["about"], given.about.parts
    always = about[parts["constant"]][0]
    features, inputs = None, EMPTY
    if "features" in parts:
        features, unknown = _relative(about[parts["features"]], given.about, parts["features"])
        always, inputs = always + unknown, data.customer_features.columns
    customers = None
    if "customers" in parts:
        known = about[parts["customers"]]
        customers = np.repeat(known[-1:], len(data.space.customers) + 1, axis=0)
        customers[np.flatnonzero(np.diff(data.events.start) > 0)] = known[:-1]
    tower = Tower(
        width=form.dimension,
        customers=customers,
        history=Pool(tables["history"], "sqrt") if form.history else None,
        features=features,
        segments=about[parts["segments"]] if "segments" in parts else None,
        months=tables.get("months"),
        constant=always,
        layers=layers,
        temperature=form.temperature if form.join == "cosine" else None,
    )
    return tower, inputs


def _relative(table: F32, side: Side, part: slice) -> tuple[F32, F32]:
    """Feature rows less their field's unknown, and the sum of the unknowns: a field without a column reads unknown."""
    field, unknown = side.fields.field[part], side.fields.unknown[part]
    known = np.flatnonzero(~unknown)
    of = np.full(side.fields.n_fields + 1, -1, dtype=np.int64)  # the last for columns without a field
    of[field[unknown]] = np.flatnonzero(unknown)
    base = np.where(of[field[known]] >= 0, of[field[known]], 0)
    less = np.where((field[known] >= 0)[:, None], table[base], 0)
    return (table[known] - less).astype(np.float32), table[unknown].sum(axis=0)


def _numpy(tensor: Any) -> F32:
    array: F32 = tensor.detach().cpu().numpy()
    return array
