"""Instances from fitted models: a market of a choice scorer, or the calibrated probabilities of any champion."""

from __future__ import annotations

import numpy as np

from recsys.assortment.instance import Instance, Model, Nests, preferences
from recsys.assortment.nests import attraction_of
from recsys.assortment.rules import Constraints, Traits, rules_of
from recsys.contract import F64
from recsys.errors import DataError, UsageError
from recsys.scorers.market import MarketChoice

Goal = tuple[F64, str]  # (earned per unit sold [n], "revenue" or "profit")


def of_choice(choice: MarketChoice, goal: Goal, traits: Traits, constraints: Constraints, source: str) -> Instance:
    """The market of a logit, nested logit or BLP scorer; each taste draw is a type of visitor.

    Raises UsageError for nests together with several draws, DataError for numbers that are not finite.
    """
    _check(choice.utility, goal[0], traits)
    outside, rules = np.zeros(len(choice.weight)), rules_of(constraints, traits)
    nested = choice.nests if choice.rho > 0 else None
    if nested is not None and len(choice.weight) > 1:
        raise UsageError("An assortment under nests and taste draws at once", got=f"{len(choice.weight)} draws",
                         wanted="one of the two", cure="Use the nested logit rung, or BLP without nests.")  # fmt: skip
    if nested is None:
        v, v0 = preferences(choice.utility, outside)
        model = Model.MNL if len(v) == 1 else Model.MIXED_LOGIT
        return Instance(model, v, v0, goal[0], choice.weight / choice.weight.sum(), rules, ids=traits.ids,
                        objective=goal[1], source=source)  # fmt: skip
    names, of = np.unique(nested, return_inverse=True)
    ones = np.ones(len(names))
    v, v0, nests = attraction_of(choice.utility, outside, Nests(of.astype(np.int32), (1 - choice.rho) * ones, ones))
    return Instance(Model.NESTED_LOGIT, v, v0, goal[0], np.ones(1), rules, nests, ids=traits.ids, objective=goal[1],
                    source=source)  # fmt: skip


def of_probabilities(
    chance: F64, weight: F64, goal: Goal, traits: Traits, constraints: Constraints, source: str
) -> Instance:
    """What a recommender expects: chance [types, n] of buying each product, calibrated, the rest to 1 buys nothing.

    Each row (a customer, or a segment's mean) is a type of visitor with odds v_j = P_j / P_0 that do not depend on the
    other products carried: the logit's independence, which `source` should name. Raises DataError for rows that add up
    to 1 or more, negative chances, or a market where nothing is bought.
    """
    _check(chance, goal[0], traits)
    total = chance.sum(axis=1)
    wrong = "a negative one" if (chance < 0).any() else "" if chance.any() else "all zero"
    if wrong or (total >= 1).any():
        raise DataError(
            "Purchase probabilities of an assortment", got=wrong or f"a row adding up to {total.max():g}",
            wanted="rows in [0, 1) with something bought",
            cure="Calibrate the scorer with an outside option before it feeds an assortment.",
        )  # fmt: skip
    if not weight.sum() > 0:
        raise DataError("Weights of visitor types", got="all zero", wanted="at least one type with visitors")
    model = Model.MNL if len(chance) == 1 else Model.MIXED_LOGIT
    return Instance(model, chance, 1 - total, goal[0], weight / weight.sum(), rules_of(constraints, traits),
                    ids=traits.ids, objective=goal[1], source=source)  # fmt: skip


def _check(table: F64, earned: F64, traits: Traits) -> None:
    n = len(traits.ids)
    if not n or table.shape[1:] != (n,) or earned.shape != (n,):
        raise DataError("An assortment's market", got=f"{table.shape[1:]} columns, {earned.shape} earnings, {n} ids",
                        wanted="one of each per product, at least one product")  # fmt: skip
    if not (np.isfinite(table).all() and np.isfinite(earned).all()):
        raise DataError("An assortment's market", got="NaN or infinity", wanted="finite numbers",
                        cure="Leave out products that have no price, cost or score.")  # fmt: skip
