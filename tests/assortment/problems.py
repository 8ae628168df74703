"""Random small problems with every kind of rule, and the answer by enumeration."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from recsys.assortment.instance import Instance, value
from recsys.contract import Flags


def mnl(rng: np.random.Generator, n: int, **more: Any) -> dict[str, Any]:
    """A multinomial logit over n products."""
    return {
        "model": "mnl",
        "utilities": rng.normal(0, 2, n).tolist(),
        "revenues": rng.uniform(1, 10, n).tolist(),
        **more,
    }


def nested(rng: np.random.Generator, nests: int, n: int, **more: Any) -> dict[str, Any]:
    """A nested logit over n products dealt to nests at random."""
    labels = [*range(nests), *rng.integers(0, nests, n - nests).tolist()]
    gamma = rng.uniform(0.2, 1.0, nests).tolist()
    return {**mnl(rng, n), "model": "nested_logit", "nests": labels, "dissimilarity": gamma, **more}


def mixed(rng: np.random.Generator, types: int, n: int, **more: Any) -> dict[str, Any]:
    """A mixed logit whose types differ in taste and in price sensitivity."""
    price = rng.lognormal(2.0, 0.5, n)
    taste, traits = rng.normal(0, 0.8, (types, 3)), rng.normal(size=(n, 3))
    alpha = rng.lognormal(np.log(0.15), 0.4, types)
    utilities = -1.0 + taste @ traits.T - alpha[:, None] * price
    weights = rng.dirichlet(np.full(types, 3.0)).tolist()
    return {"model": "mixed_logit", "weights": weights, "utilities": utilities.tolist(), "revenues": price.tolist(),
            **more}  # fmt: skip


def rules(rng: np.random.Generator, n: int) -> dict[str, Any]:
    """Traits and constraints of every kind; most draws can be obeyed."""
    return {
        "sellers": rng.choice(["A", "B"], n).tolist(),
        "categories": rng.choice(["mug", "shirt", "cap"], n).tolist(),
        "brands": rng.choice(["x", "y"], n).tolist(),
        "space": rng.uniform(0, 2, n).tolist(),
        "spend": rng.uniform(0, 2, n).tolist(),
        "stock": rng.integers(0, 9, n).tolist(),
        "size": int(rng.integers(2, n + 1)),
        "constraints": {
            "sellers": {"*": {"max": int(rng.integers(2, n + 1))}},
            "brands": {"*": {"min": int(rng.integers(0, 2)), "max": n - 1}},
            "must_carry": [str(rng.integers(n))],
            "exclude": [str(rng.integers(n))],
            "space": float(rng.uniform(1, n)),
            "budget": float(rng.uniform(1, n)),
            "price_band": [0.0, float(rng.uniform(5, 20))],
            "min_stock": float(rng.integers(0, 3)),
        },
    }


def sets(n: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """bool[2^n, n]: every set."""
    return np.array(list(itertools.product([False, True], repeat=n)), dtype=np.bool_)


def best_by_enumeration(instance: Instance) -> float:
    """The largest value of a set that obeys every rule; -inf when there is none."""
    values = [value(instance, s) for s in sets(instance.n) if obeys(instance, s)]
    return max(values, default=-np.inf)


def obeys(instance: Instance, carried: Flags) -> bool:
    """Whether each rule holds, rule by rule."""
    loads = [((rule.amount * carried[rule.rows]).sum(), rule) for rule in instance.rules]
    return all(rule.low - 1e-9 <= load <= rule.high + 1e-9 for load, rule in loads)
