"""Who chooses: weighted draws of tastes and demographics, per market (the integral over people as a sum)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recsys.contract import F64, I32, Index
from recsys.errors import ConfigError, DataError

Rule = Literal["product", "halton"]


@dataclass(frozen=True)
class Agents:
    """Rows = people (draws) of markets; the same draws every night."""

    market: I32  # [i]
    weight: F64  # [i] sums to 1 in each market
    nodes: F64  # [i, k] standard normal taste draws, one column per random coefficient
    demographics: F64  # [i, d]
    names: tuple[str, ...] = ()  # of the demographics

    def blocks(self, markets: int) -> tuple[F64, F64, F64, I32]:
        """(nodes [G, R, k], demographics [G, R, d], weight [G, R], group of each market): equal markets share a group,
        shorter groups are padded with weight 0."""
        seen: dict[bytes, int] = {}
        group = np.zeros(markets, dtype=np.int32)
        rows: list[I32] = []
        order = np.argsort(self.market, kind="stable").astype(np.int32)
        ends = np.searchsorted(self.market[order], np.arange(markets + 1))
        for t in range(markets):
            at = order[ends[t] : ends[t + 1]]
            key = b"".join(np.ascontiguousarray(a[at]).tobytes() for a in (self.weight, self.nodes, self.demographics))
            if key not in seen:
                seen[key] = len(rows)
                rows.append(at)
            group[t] = seen[key]
        return _padded(self.nodes, rows), _padded(self.demographics, rows), _padded(self.weight, rows), group


def draw(markets: int, k: int, rule: Rule, size: int, demographics: F64 | None = None) -> Agents:
    """The same draws in every market.

    product: Gauss-Hermite with `size` nodes per random coefficient; halton: `size` scrambled points (seed 0).
    demographics: [markets, d] one value per market and demographic, or None.
    """
    nodes, weight = _product(k, size) if rule == "product" else _halton(k, size)
    d = np.empty((markets, 0)) if demographics is None else demographics
    return Agents(
        market=np.repeat(np.arange(markets), len(weight)).astype(np.int32),
        weight=np.tile(weight, markets),
        nodes=np.tile(nodes, (markets, 1)),
        demographics=np.repeat(d, len(weight), axis=0),
    )


def agents_from(table: Any, markets: Index, k: int) -> Agents:
    """Agents from a polars frame in pyblp's column names: market_ids, weights, nodes0.., further numbers are
    demographics; raises DataError when a market has none."""
    for name in ("market_ids", "weights", *(f"nodes{i}" for i in range(k))):
        if name not in table.columns:
            raise DataError("The agents", got=f"no column {name!r}", wanted="market_ids, weights, nodes0.. in each row")
    market = markets.rows(table["market_ids"].to_list())
    missing = np.setdiff1d(np.arange(len(markets)), market)
    if len(missing):
        raise DataError("The agents", got=f"none in market {markets.ids[missing[0]]!r}", wanted="people in each market")
    table = table.filter(market >= 0)
    fixed = ("market_ids", "weights")
    names = tuple(c for c in table.columns
                  if c not in fixed and not c.startswith("nodes") and table[c].dtype.is_numeric())  # fmt: skip
    return Agents(
        market=market[market >= 0],
        weight=table["weights"].to_numpy().astype(np.float64),
        nodes=table.select(f"nodes{i}" for i in range(k)).to_numpy().astype(np.float64).reshape(-1, k),
        demographics=table.select(names).to_numpy().astype(np.float64) if names else np.empty((len(table), 0)),
        names=names,
    )


def _product(k: int, size: int) -> tuple[F64, F64]:
    if size**k > 20_000:
        raise ConfigError("Integration", got=f"{size}^{k} nodes", wanted="at most 20,000", cure="Use rule 'halton'.")
    x, w = np.polynomial.hermite_e.hermegauss(size)
    grid = np.meshgrid(*([x] * k), indexing="ij")
    weights = np.meshgrid(*([w / w.sum()] * k), indexing="ij")
    if not k:
        return np.empty((1, 0)), np.ones(1)
    return np.column_stack([g.ravel() for g in grid]), np.prod([g.ravel() for g in weights], axis=0)


def _halton(k: int, size: int) -> tuple[F64, F64]:
    from scipy.stats import norm, qmc

    points = qmc.Halton(k, scramble=True, rng=np.random.default_rng(0)).random(size)
    return norm.ppf(np.clip(points, 1e-12, 1 - 1e-12)), np.full(size, 1 / size)


def _padded(values: F64, rows: list[I32]) -> F64:
    longest = max(len(r) for r in rows)
    out = np.zeros((len(rows), longest, *values.shape[1:]))
    for g, at in enumerate(rows):
        out[g, : len(at)] = values[at]
    return out
