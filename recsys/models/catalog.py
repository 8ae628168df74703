"""Every family by name. A new family is one file here in models/ and one line in FAMILIES."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from recsys.contract import Estimator
from recsys.errors import ConfigError
from recsys.models.settings import check, nearest

FAMILIES: Mapping[str, str] = {
    "popularity": "recsys.models.popularity:Popularity",
    "buy_again": "recsys.models.buy_again:BuyAgain",
    "item_neighbours": "recsys.models.item_neighbours:ItemNeighbours",
    "user_neighbours": "recsys.models.user_neighbours:UserNeighbours",
    "ease": "recsys.models.ease:Ease",
    "als": "recsys.models.als:Als",
    "lightfm": "recsys.models.lightfm:Lightfm",
    "complements": "recsys.models.complements:Complements",
    "factorization_machine": "recsys.models.factorization_machine:FactorizationMachine",
    "two_tower": "recsys.models.two_tower:TwoTower",
    "blend": "recsys.models.blend:Blend",
    "logit": "recsys.models.logit:Logit",
    "nested_logit": "recsys.models.nested_logit:NestedLogit",
    "blp": "recsys.models.blp:Blp",
}
TEXTS: Mapping[str, str] = {"search": "recsys.models.search:Search"}  # answer texts, so they are no contenders


def load(family: str) -> type[Any]:
    """The estimator's class; raises ConfigError on an unknown family. Importing it costs milliseconds."""
    known = {**FAMILIES, **TEXTS}
    if family not in known:
        raise ConfigError("A contender's family is unknown", got=repr(family), cure=nearest(family, FAMILIES))
    module, name = known[family].split(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def build(family: str, settings: Mapping[str, Any]) -> Estimator:
    """An estimator from plain settings; raises ConfigError on an unknown name, a wrong type or a value out of range."""
    kind = load(family)
    estimator: Estimator = kind(**check(kind, settings, family))
    return estimator


def enter(family: str, settings: Mapping[str, Any]) -> Estimator:
    """`build`, for a contest; raises ConfigError on a family that answers texts too: it ranks for no customer."""
    if family in TEXTS:
        raise ConfigError(
            "A contender's family",
            got=f"{family!r}, which answers texts and knows no customers",
            wanted=f"one of {', '.join(FAMILIES)}",
            cure="Leave it out: every night fits it beside the contenders ([publishing] search = true).",
        )
    return build(family, settings)
