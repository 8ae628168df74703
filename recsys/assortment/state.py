"""An instance in the JSON form that `read.instance_of` takes: what a generation keeps, so that another size or other
rules can be asked for without the models."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.assortment.instance import Instance, Model
from recsys.assortment.rules import Traits
from recsys.contract import F64

DIGITS = 7  # significant


def stated(instance: Instance, traits: Traits) -> dict[str, Any]:
    """The instance without its rules; products nobody would buy are left out, for they are in no best set."""
    bought = (instance.preference > 0).any(axis=0)
    raw: dict[str, Any] = {
        "model": instance.model.value,
        "source": instance.source,
        "ids": [traits.ids[row] for row in np.flatnonzero(bought)],
        "utilities": _numbers(_utilities(instance)[:, bought]),
        "revenues" if instance.objective == "revenue" else "margins": _numbers(instance.revenue[bought]),
    }
    if instance.model is Model.MIXED_LOGIT:
        raw["weights"] = _numbers(instance.weight)
    else:
        raw["utilities"] = raw["utilities"][0]
    if instance.nests is not None:
        used = np.unique(instance.nests.of[bought])
        raw["nests"] = np.searchsorted(used, instance.nests.of[bought]).tolist()
        raw["dissimilarity"] = _numbers(instance.nests.dissimilarity[used])
    for name, values in (("sellers", traits.sellers), ("categories", traits.categories), ("brands", traits.brands)):
        if values is not None:
            raw[name] = [str(v) for v in values[bought]]
    if traits.price is not None:
        raw["prices"] = _numbers(traits.price[bought])
    if instance.current is not None:
        raw["current"] = [traits.ids[row] for row in np.flatnonzero(instance.current & bought)]
    return raw


def _utilities(instance: Instance) -> F64:
    """[types, n] relative to buying nothing; -inf where nobody buys."""
    with np.errstate(divide="ignore"):
        log_v, log_outside = np.log(instance.preference), np.log(instance.outside)
    if instance.nests is not None:
        nests = instance.nests
        log_v = nests.dissimilarity[nests.of] * log_v + np.log(nests.attraction)[nests.of]
    return np.asarray(log_v - log_outside[:, None])


def _numbers(values: F64) -> Any:
    """Nested lists; a type to which a product is nothing gets a utility that no type ever chooses."""
    kept = np.where(np.isfinite(values), values, -50.0)
    magnitude = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(kept), 1e-300))))
    return (np.round(kept * magnitude) / magnitude).tolist()
