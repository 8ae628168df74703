"""Instruments for price: what moves a product's price in a market but not what its buyers think of it there.

All take long-form columns of a product x market panel, float64[n] or int32[n], and give float64[n, z] with names. A
value that does not exist (no other region, no rival) is filled so that it carries no information: with the mean of the
column for prices, with 0 for sums over nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32


@dataclass(frozen=True)
class Columns:
    """Named instrument columns."""

    names: tuple[str, ...]
    values: F64  # [n, z]

    def joined(self, other: Columns) -> Columns:
        """Both, side by side."""
        return Columns(self.names + other.names, np.column_stack([self.values, other.values]))

    @classmethod
    def none(cls, n: int) -> Columns:
        return cls((), np.empty((n, 0)))


def cost_shifters(cost: F64) -> Columns:
    """The cost itself: a seller's blank garment, shipping, exchange rate."""
    return Columns(("cost",), _filled(cost)[:, None])


def hausman(price: F64, product: I32, period: I32, segment: I32) -> Columns:
    """Mean price of the same product in other segments, same period (Hausman 1996); its own segment is left out.

    Not valid where promotions are national: absorb the period and look at the cost instruments beside it.
    """
    pair = _codes(product, period)
    own = _codes(pair, segment)
    total, count = np.bincount(pair, price)[pair], np.bincount(pair)[pair]
    mine, mine_count = np.bincount(own, price)[own], np.bincount(own)[own]
    others = count - mine_count
    mean = np.where(others > 0, (total - mine) / np.maximum(others, 1), np.nan)
    return Columns(("hausman",), _filled(mean)[:, None])


def blp_sums(attributes: F64, names: tuple[str, ...], market: I32, firm: I32) -> Columns:
    """Count and sums of attributes over the firm's other products and over rivals' (Berry, Levinsohn, Pakes 1995)."""
    x = np.column_stack([np.ones(len(market)), attributes])
    own = _codes(market, firm)
    in_market, in_firm = _sums(x, market), _sums(x, own)
    labels = ("count", *names)
    columns = np.column_stack([in_firm - x, in_market - in_firm])
    return Columns(tuple(f"blp_own_{k}" for k in labels) + tuple(f"blp_rival_{k}" for k in labels), columns)


def differentiation(attributes: F64, names: tuple[str, ...], market: I32, firm: I32, local: bool = True) -> Columns:
    """How alone a product stands in attribute space (Gandhi and Houde 2019), own firm and rivals apart.

    local: how many products lie within one standard deviation of the differences; else the sum of squared differences.
    """
    n, k = attributes.shape
    spread = _typical_difference(attributes, market)
    own, rival = np.zeros((n, k)), np.zeros((n, k))
    for rows in _groups(market):
        distance = attributes[rows][:, None, :] - attributes[rows][None, :, :]
        near = np.abs(distance) < spread if local else distance**2
        other = ~np.eye(len(rows), dtype=bool)
        same = (firm[rows][:, None] == firm[rows][None, :]) & other
        own[rows] = (near * same[:, :, None]).sum(axis=1)
        rival[rows] = (near * (other & ~same)[:, :, None]).sum(axis=1)
    kind = "local" if local else "quadratic"
    labels = tuple(f"{kind}_own_{x}" for x in names) + tuple(f"{kind}_rival_{x}" for x in names)
    return Columns(labels, np.column_stack([own, rival]))


def nest_counts(nests: I32, market: I32) -> Columns:
    """Log number of products in the nest: the instrument for the share within the nest (Berry 1994)."""
    pair = _codes(market, nests)
    return Columns(("log_nest_count",), np.log(np.bincount(pair)[pair].astype(np.float64))[:, None])


def nest_rivals(values: F64, name: str, nests: I32, market: I32) -> Columns:
    """Mean of a cost shifter over the other products of the nest: moves the share within the nest, not its tastes."""
    pair = _codes(market, nests)
    count = np.bincount(pair)[pair] - 1
    others = np.where(count > 0, (np.bincount(pair, values)[pair] - values) / np.maximum(count, 1), np.nan)
    return Columns((f"nest_rival_{name}",), _filled(others)[:, None])


def policy_shock(period: I32, active: F64, exposure: F64) -> Columns:
    """A rule of the marketplace (fee, free-shipping threshold) by how much it touches a product.

    active: float64[periods] size of the rule in each period; exposure: float64[n], known before the rule.
    """
    return Columns(("policy",), (active[period] * exposure)[:, None])


def _typical_difference(x: F64, market: I32) -> F64:
    """[k] root mean square of the differences between two products of one market."""
    count = np.bincount(market)
    squares = [2 * (count * np.bincount(market, c**2) - np.bincount(market, c) ** 2).sum() for c in x.T]
    return np.asarray(np.sqrt(np.array(squares) / max(int((count * (count - 1)).sum()), 1)))


def _groups(of: I32) -> list[I32]:
    order = np.argsort(of, kind="stable")
    return [g.astype(np.int32) for g in np.split(order, np.flatnonzero(np.diff(of[order])) + 1)] if len(of) else []


def _codes(a: I32, b: I32) -> I32:
    both = np.asarray(a, dtype=np.int64) * (int(np.max(b, initial=0)) + 2) + b
    codes: I32 = np.unique(both, return_inverse=True)[1].astype(np.int32)
    return codes


def _sums(x: F64, group: I32) -> F64:
    return np.column_stack([np.bincount(group, column)[group] for column in x.T])


def _filled(column: F64) -> F64:
    known = np.isfinite(column)
    filled: F64 = np.where(known, column, column[known].mean() if known.any() else 0.0)
    return filled
