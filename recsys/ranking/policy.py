"""From scores to chances: every list that is shown with a known probability can be learnt from later.

n = queries, m = products, k = places. NaN scores are "no opinion" and are shown only by the uniform part; `allowed`
says which products may be shown at all. A uniform floor keeps every propensity above floor / m, so that no weight of an
off-policy estimate explodes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.contract import F32, F64, I32, Flags
from recsys.errors import ConfigError, EmptyError


class Slates(NamedTuple):
    """Drawn lists; the propensity of a place is that of its product given the products above it."""

    products: I32  # [n, k] -1 where nothing was left to show
    propensity: F32  # [n, k]


def softmax(scores: F32, temperature: float = 1.0, floor: float = 0.0, allowed: Flags | None = None) -> F64:
    """Chances [n, m]: (1 - floor) x softmax(scores / temperature) + floor x uniform over the allowed.

    Raises ConfigError for a temperature <= 0 or a floor outside [0, 1], EmptyError when a query has nothing to show.
    """
    if not temperature > 0:
        raise ConfigError("softmax: temperature", got=temperature, wanted="> 0")
    open_ = _allowed(scores, allowed)
    logits = np.where(open_ & ~np.isnan(scores), scores.astype(np.float64) / temperature, -np.inf)
    top = logits.max(axis=1, keepdims=True)
    weight = np.exp(logits - np.where(np.isfinite(top), top, 0))
    return _mix(weight, open_, floor)


def epsilon_greedy(scores: F32, epsilon: float, allowed: Flags | None = None) -> F64:
    """Chances [n, m]: 1 - epsilon on the best, shared by ties, and epsilon over the allowed; errors as `softmax`."""
    open_ = _allowed(scores, allowed)
    known = np.where(open_ & ~np.isnan(scores), scores, -np.inf)
    best = (known == known.max(axis=1, keepdims=True)) & np.isfinite(known)
    return _mix(best.astype(np.float64), open_, epsilon)


def draw_slates(chances: F64, k: int, seed: int, floor: float = 0.0) -> Slates:
    """Fill k places one by one from `chances` [n, m], without repeats (Plackett-Luce: Plackett 1975).

    Each place renormalises what is left and mixes in `floor` x uniform over it, so floors hold at every place.
    """
    rng = np.random.default_rng(seed)
    left, at = chances.copy(), np.arange(len(chances))
    products = np.full((len(chances), k), -1, dtype=np.int32)
    propensity = np.zeros((len(chances), k), dtype=np.float32)
    for place in range(min(k, chances.shape[1])):
        some = left.sum(axis=1) > 0
        chance = np.zeros_like(left)
        chance[some] = _mix(left[some], left[some] > 0, floor)
        ends = np.cumsum(chance, axis=1)
        drawn = (ends <= rng.random((len(left), 1)) * ends[:, -1:]).sum(axis=1)
        drawn = np.minimum(drawn, left.shape[1] - 1)
        products[:, place] = np.where(some, drawn, -1)
        propensity[:, place] = np.where(some, chance[at, drawn], 0)
        left[at, drawn] = 0
    return Slates(products, propensity)


def slate_propensity(chances: F64, products: I32, floor: float = 0.0) -> F64:
    """Propensities [n, k] with which `draw_slates` would have shown `products` [n, k]: the target side of a weight."""
    left, at = chances.copy(), np.arange(len(chances))
    found = np.zeros(products.shape)
    for place in range(products.shape[1]):
        shown, some = products[:, place], left.sum(axis=1) > 0
        use = some & (shown >= 0)
        found[use, place] = _mix(left[use], left[use] > 0, floor)[np.arange(int(use.sum())), shown[use]]
        left[at[use], shown[use]] = 0
    return found


def _allowed(scores: F32, allowed: Flags | None) -> Flags:
    open_ = np.ones(scores.shape, dtype=bool) if allowed is None else np.broadcast_to(allowed, scores.shape)
    if not open_.any(axis=1).all():
        raise EmptyError("A query", got="no product that may be shown", wanted="at least one")
    return np.asarray(open_)


def _mix(weight: F64, allowed: Flags, floor: float) -> F64:
    """Normalise weights and mix in the uniform; rows without any weight are uniform."""
    if not 0 <= floor <= 1:
        raise ConfigError("The uniform floor", got=floor, wanted="a share in [0, 1]")
    uniform = allowed / allowed.sum(axis=1, keepdims=True)
    total = weight.sum(axis=1, keepdims=True)
    own = np.divide(weight, total, out=uniform.copy(), where=total > 0)
    return np.asarray((1 - floor) * own + floor * uniform)
