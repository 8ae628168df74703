"""The nests of a nested logit from JSON, in any of the forms people write them in.

A label per product, lists of products, or one object per nest with its own utilities, revenues and dissimilarity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.assortment import parse
from recsys.assortment.instance import Nests, preferences
from recsys.contract import F64, I32
from recsys.errors import DataError

PER_PRODUCT = ("ids", "utilities", "preferences", "revenues", "margins", "prices", "costs", "sellers", "categories",
               "brands", "space", "spend", "stock")  # fmt: skip


def flatten(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Nests written as objects, each with its products' numbers, become one list per key and a label per product."""
    nests = raw.get("nests")
    if not isinstance(nests, list) or not nests or not isinstance(nests[0], dict):
        return raw
    flat = {key: item for key, item in raw.items() if key != "nests"}
    keys = [key for key in PER_PRODUCT if key in nests[0]]
    for i, nest in enumerate(nests):
        at = f"{where}, nests[{i}]"
        parse.mapping(nest, at, (*PER_PRODUCT, "dissimilarity"))
        if sorted(set(nest) - {"dissimilarity"}) != sorted(keys) or not all(isinstance(nest[k], list) for k in keys):
            raise DataError(at, got=", ".join(sorted(nest)), wanted=f"lists {', '.join(keys)}, as in nests[0]",
                            cure="Give every nest the same keys.")  # fmt: skip
    for key in keys:
        flat[key] = [entry for nest in nests for entry in nest[key]]
    if all("dissimilarity" in nest for nest in nests):
        flat["dissimilarity"] = [nest["dissimilarity"] for nest in nests]
    flat["nests"] = [i for i, nest in enumerate(nests) for _ in nest[keys[0]]] if keys else []
    return flat


def nests_of(raw: dict[str, Any], ids: tuple[str, ...], where: str) -> Nests:
    """Which nest each product is in; the attraction is 1 until `attraction_of` has seen the utilities."""
    of, names = _memberships(raw.get("nests"), ids, f"{where}, nests")
    given = raw.get("dissimilarity")
    if given is None:
        raise DataError(f"{where}, dissimilarity", got="nothing", wanted="a number in (0, 1] per nest",
                        cure="Take it from the fitted nested logit (1 - rho).")  # fmt: skip
    if isinstance(given, dict):
        given = [parse.mapping(given, f"{where}, dissimilarity", names).get(name) for name in names]
    gamma = parse.numbers(given, f"{where}, dissimilarity", (len(names),))
    if (gamma <= 0).any() or (gamma > 1).any():
        wrong = gamma[(gamma <= 0) | (gamma > 1)][0]
        raise DataError(f"{where}, dissimilarity", got=wrong, wanted="in (0, 1]",
                        cure="Outside it the model is no random utility model: refit with rho in [0, 1).")  # fmt: skip
    return Nests(of, gamma, np.ones(len(names)))


def attraction_of(utility: F64, outside: F64, nests: Nests) -> tuple[F64, F64, Nests]:
    """(v [1, n], v_0 [1], nests) of utilities [1, n]: v = exp((u - top of its nest) / gamma), the tops moved into the
    nests' attraction, so that a small gamma does not overflow."""
    top = np.full(len(nests.dissimilarity), -np.inf)
    np.maximum.at(top, nests.of, utility[0])
    within = np.exp((utility - top[nests.of]) / nests.dissimilarity[nests.of])
    attraction, away = preferences(np.where(np.isfinite(top), top, utility.min())[None, :], outside)
    return within, away, Nests(nests.of, nests.dissimilarity, attraction[0])


def _memberships(raw: Any, ids: tuple[str, ...], where: str) -> tuple[I32, tuple[str, ...]]:
    if isinstance(raw, list) and raw and all(isinstance(entry, list) for entry in raw):
        return _from_lists(raw, ids, where), tuple(str(i) for i in range(len(raw)))
    labels = parse.labels(raw, where, len(ids))
    whole = isinstance(raw, list) and all(isinstance(entry, int) and not isinstance(entry, bool) for entry in raw)
    names = sorted(set(raw)) if whole else list(dict.fromkeys(labels))
    row_of = {str(name): i for i, name in enumerate(names)}
    return np.array([row_of[label] for label in labels], dtype=np.int32), tuple(str(name) for name in names)


def _from_lists(raw: list[list[Any]], ids: tuple[str, ...], where: str) -> I32:
    row_of = {id_: row for row, id_ in enumerate(ids)}
    of = np.full(len(ids), -1, dtype=np.int32)
    for i, nest in enumerate(raw):
        for product in nest:
            row = row_of.get(str(product), -1)
            if row < 0 or of[row] >= 0:
                raise DataError(f"{where}[{i}]", got=f"'{product}'", wanted="each product (id or row number) once",
                                cure="Put every product into exactly one nest.")  # fmt: skip
            of[row] = i
    if (of < 0).any():
        raise DataError(where, got=f"no nest for '{ids[int(np.argmin(of))]}'", wanted="each product once",
                        cure="Put every product into exactly one nest.")  # fmt: skip
    return of
