"""Instances and constraints from JSON, in the form written down in docs/assortment.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recsys.assortment import parse
from recsys.assortment.instance import Instance, Model, Nests, Pricing, preferences
from recsys.assortment.nests import attraction_of, flatten, nests_of
from recsys.assortment.rules import Constraints, Limits, Traits, rules_of
from recsys.contract import F64, Flags, Texts
from recsys.errors import DataError, UsageError

MODELS = {
    "mnl": Model.MNL,
    "logit": Model.MNL,
    "multinomial_logit": Model.MNL,
    "nested_logit": Model.NESTED_LOGIT,
    "mixed_logit": Model.MIXED_LOGIT,
    "latent_class": Model.MIXED_LOGIT,
    "blp": Model.MIXED_LOGIT,
}
KEYS = (
    "model", "source", "ids", "utilities", "preferences", "outside", "outside_preference", "weights", "nests",
    "dissimilarity", "revenues", "margins", "prices", "costs", "price_sensitivity", "price_range", "sellers",
    "categories", "brands", "space", "spend", "stock", "size", "constraints", "current",
)  # fmt: skip
RULE_KEYS = (
    "size", "sellers", "categories", "brands", "must_carry", "exclude", "space", "budget", "price_band", "min_stock"
)  # fmt: skip


def read_instance(path: Path, constraints: Path | None = None) -> Instance:
    """The instance a JSON file states, under the rules of a second file where given; raises DataError, UsageError."""
    raw = parse.load(path)
    if constraints is not None:
        raw = {**parse.mapping(raw, str(path)), "constraints": parse.load(constraints)}
    return instance_of(raw, str(path))


def instance_of(raw: Any, where: str = "instance") -> Instance:
    """The instance a JSON object states; raises DataError, or UsageError where the rules contradict the products."""
    raw = parse.mapping(raw, where, KEYS)
    model = _model(raw, where)
    if model is Model.NESTED_LOGIT:
        raw = flatten(raw, where)
    revenue, objective = _revenue(raw, where)
    n = len(revenue)
    ids = _ids(raw, n, where)
    traits = _traits(raw, ids or tuple(str(row) for row in range(n)), where)
    nests = nests_of(raw, traits.ids, where) if model is Model.NESTED_LOGIT else None
    preference, outside, nests = _preference(raw, nests, n, where)
    weight = _weight(raw, model, len(preference), where)
    constraints = constraints_of(raw.get("constraints") or {}, f"{where}, constraints", raw.get("size"))
    return Instance(
        model, preference, outside, revenue, weight, rules_of(constraints, traits), nests,
        _pricing(raw, n, model, where), ids, objective, str(raw.get("source", "")), _current(raw, traits.ids, where),
    )  # fmt: skip


def constraints_of(raw: Any, where: str = "constraints", size: Any = None) -> Constraints:
    """The rules a JSON object states; `size` is a cap given outside the object, the smaller of two holds."""
    raw = parse.mapping(raw, where, RULE_KEYS)
    sizes = [parse.count(s, f"{where}, size") for s in (size, raw.get("size")) if s is not None]
    band = raw.get("price_band")
    if band is not None:
        low, high = parse.numbers(band, f"{where}, price_band", (2,))
        if low > high:
            raise DataError(f"{where}, price_band", got=band, wanted="[low, high] with low <= high",
                            cure="Swap the two prices.")  # fmt: skip
        band = (float(low), float(high))
    return Constraints(
        size=min(sizes) if sizes else None,
        sellers=_limits(raw.get("sellers"), f"{where}, sellers"),
        categories=_limits(raw.get("categories"), f"{where}, categories"),
        brands=_limits(raw.get("brands"), f"{where}, brands"),
        must_carry=_names(raw.get("must_carry"), f"{where}, must_carry"),
        exclude=_names(raw.get("exclude"), f"{where}, exclude"),
        space=_optional(raw.get("space"), f"{where}, space"),
        budget=_optional(raw.get("budget"), f"{where}, budget"),
        price_band=band,
        min_stock=_optional(raw.get("min_stock"), f"{where}, min_stock"),
    )


def _model(raw: dict[str, Any], where: str) -> Model:
    if raw.get("model") not in MODELS:
        raise DataError(f"{where}, model", got=raw.get("model"), wanted=f"one of {', '.join(MODELS)}")
    return MODELS[raw["model"]]


def _revenue(raw: dict[str, Any], where: str) -> tuple[F64, str]:
    given = [key for key in ("revenues", "margins") if key in raw]
    if len(given) > 1 or (not given and "prices" not in raw):
        raise DataError(where, got=" and ".join(given) or "no revenues", wanted="one of revenues, margins or prices",
                        cure="Say what one sold unit of each product earns.")  # fmt: skip
    key = given[0] if given else "prices"
    values = np.atleast_1d(parse.numbers(raw[key], f"{where}, {key}"))
    if values.ndim != 1 or not len(values):
        raise DataError(f"{where}, {key}", got=f"shape {list(values.shape)}", wanted="a list, one number per product",
                        cure="Add at least one product.")  # fmt: skip
    if key == "prices" and "costs" in raw:
        return values - parse.numbers(raw["costs"], f"{where}, costs", (len(values),)), "profit"
    return values, "profit" if key == "margins" else "revenue"


def _ids(raw: dict[str, Any], n: int, where: str) -> tuple[str, ...]:
    if "ids" not in raw:
        return ()
    ids = tuple(parse.labels(raw["ids"], f"{where}, ids", n).tolist())
    if len(set(ids)) < n:
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise DataError(f"{where}, ids", got=f"'{twice}' twice", wanted="distinct ids", cure="Merge the two products.")
    return ids


def _preference(raw: dict[str, Any], nests: Nests | None, n: int, where: str) -> tuple[F64, F64, Nests | None]:
    """(preference [types, n], outside [types], nests with their attraction), each type scaled so its largest is 1."""
    if ("utilities" in raw) == ("preferences" in raw):
        raise DataError(where, got="both or neither", wanted="either 'utilities' or 'preferences' (= exp(utility))",
                        cure="Keep one of them.")  # fmt: skip
    key = "utilities" if "utilities" in raw else "preferences"
    wrong = "outside_preference" if key == "utilities" else "outside"
    if wrong in raw:
        raise DataError(f"{where}, {wrong}", got=f"beside '{key}'", cure="The outside option is a utility, 'outside', "
                        "beside utilities and a weight, 'outside_preference', beside preferences.")  # fmt: skip
    read = parse.numbers if key == "utilities" else parse.positive
    given = np.atleast_2d(read(raw[key], f"{where}, {key}"))
    given = read(given, f"{where}, {key}", (len(given), n))
    if key == "preferences":
        outside = parse.positive(raw.get("outside_preference", 1.0), f"{where}, outside_preference", (len(given),))
        if not given.any():
            raise DataError(f"{where}, preferences", got="all zero", wanted="at least one product somebody buys",
                            cure="Leave products without sales out, or smooth their shares.")  # fmt: skip
        return given, outside, nests
    outside = parse.numbers(raw.get("outside", 0.0), f"{where}, outside", (len(given),))
    if nests is None:
        return *preferences(given, outside), None
    return attraction_of(given, outside, nests)


def _weight(raw: dict[str, Any], model: Model, types: int, where: str) -> F64:
    if model is not Model.MIXED_LOGIT:
        if types != 1:
            raise DataError(f"{where}, utilities", got=f"{types} rows", wanted=f"one list for {model.value}",
                            cure="Set model to mixed_logit and give the types weights.")  # fmt: skip
        return np.ones(1)
    weight = parse.positive(raw.get("weights", 1.0), f"{where}, weights", (types,))
    if not weight.sum() > 0:
        raise DataError(f"{where}, weights", got="all zero", wanted="at least one type with visitors",
                        cure="Give each type its share of the visitors.")  # fmt: skip
    scaled: F64 = weight / weight.sum()
    return scaled


def _traits(raw: dict[str, Any], ids: tuple[str, ...], where: str) -> Traits:
    n = len(ids)

    def text(key: str) -> Texts | None:
        return parse.labels(raw[key], f"{where}, {key}", n) if key in raw else None

    def amount(key: str) -> F64 | None:
        return parse.positive(raw[key], f"{where}, {key}", (n,)) if key in raw else None

    key = "prices" if "prices" in raw else "revenues"
    price = parse.numbers(raw[key], f"{where}, {key}", (n,)) if key in raw else None
    sellers, categories, brands = text("sellers"), text("categories"), text("brands")
    return Traits(ids, sellers, categories, brands, amount("space"), amount("spend"), price, amount("stock"))


def _pricing(raw: dict[str, Any], n: int, model: Model, where: str) -> Pricing | None:
    if "price_range" not in raw and "price_sensitivity" not in raw:
        return None
    missing = [k for k in ("prices", "price_range", "price_sensitivity") if k not in raw]
    if missing or model is not Model.MNL:
        raise DataError(where, got=f"no {', '.join(missing)}" if missing else f"model {model.value}",
                        wanted="prices, price_range and price_sensitivity under model mnl",
                        cure="Add what is missing, or drop price_range and price_sensitivity.")  # fmt: skip
    price = parse.numbers(raw["prices"], f"{where}, prices", (n,))
    low, high = _ranges(raw["price_range"], f"{where}, price_range", n)
    sensitivity = parse.numbers(raw["price_sensitivity"], f"{where}, price_sensitivity", (n,))
    if (sensitivity <= 0).any():
        raise DataError(f"{where}, price_sensitivity", got=sensitivity.min(), wanted="> 0: demand falls with the price",
                        cure="Use -alpha of a demand model that passed its sign gate.")  # fmt: skip
    outside = np.flatnonzero((price < low) | (price > high))
    if len(outside):
        at = int(outside[0])
        raise UsageError(
            f"{where}, prices[{at}] is outside its observed range", got=f"{price[at]:g}",
            wanted=f"{low[at]:g} to {high[at]:g}",
            cure="Demand is not known there: widen price_range only with prices that were observed.",
        )  # fmt: skip
    return Pricing(price, sensitivity, low, high, parse.numbers(raw.get("costs", 0.0), f"{where}, costs", (n,)))


def _ranges(raw: Any, where: str, n: int) -> tuple[F64, F64]:
    values = parse.numbers(raw, where)
    values = np.broadcast_to(values, (n, 2)) if values.shape == (2,) else parse.numbers(values, where, (n, 2))
    low, high = values[:, 0], values[:, 1]
    if (low > high).any():
        at = int(np.flatnonzero(low > high)[0])
        raise DataError(f"{where}[{at}]", got=[float(low[at]), float(high[at])], wanted="[low, high] with low <= high",
                        cure="Swap the two prices.")  # fmt: skip
    return np.ascontiguousarray(low), np.ascontiguousarray(high)


def _limits(raw: Any, where: str) -> dict[str, Limits]:
    limits = {}
    for name, entry in parse.mapping(raw or {}, where).items():
        at = f"{where}, {name}"
        entry = parse.mapping(entry, at, ("min", "max"))
        low = float(parse.count(entry["min"], f"{at}, min")) if "min" in entry else -np.inf
        high = float(parse.count(entry["max"], f"{at}, max")) if "max" in entry else np.inf
        if low > high:
            raise UsageError(at, got=f"min {low:g} above max {high:g}", cure="Lower the minimum or raise the maximum.")
        limits[str(name)] = Limits(low, high)
    return limits


def _names(raw: Any, where: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise DataError(where, got=type(raw).__name__, wanted="a list of product ids")
    return tuple(dict.fromkeys(str(name) for name in raw))


def _current(raw: dict[str, Any], ids: tuple[str, ...], where: str) -> Flags | None:
    if raw.get("current") is None:
        return None
    names = _names(raw["current"], f"{where}, current")
    unknown = sorted(set(names) - set(ids))
    if unknown:
        raise DataError(f"{where}, current", got=f"'{unknown[0]}'", wanted="ids of the instance's products",
                        cure="Add the product, or leave it out of 'current'.")  # fmt: skip
    return np.isin(np.array(ids, dtype=object), np.array(names, dtype=object))


def _optional(raw: Any, where: str) -> float | None:
    return None if raw is None else parse.number(raw, where)
