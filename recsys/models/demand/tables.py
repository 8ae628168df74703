"""What an economist reads off a demand system, with intervals: elasticities, diversion, markups, willingness to pay.

Intervals come from draws of the estimates (normal, their joint covariance); for each draw mean utilities are solved
for again, so that every draw predicts the same shares. Shapes: J alternatives of a market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from recsys.contract import F64, I32
from recsys.models.demand.system import Demand
from recsys.scorers import terms
from recsys.scorers.market import MarketChoice

DRAWS = 100
DIVERSION_DRAWS = 20  # of them: each draw drops every product once
SELLERS = 12
LEVELS = (0.05, 0.95)
LARGEST = 60  # alternatives of a market that are tabled pair by pair


def tables(demand: Demand, market: int | None = None, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """JSON-ready tables of one market (by default the latest with the most alternatives)."""
    market = reference_market(demand) if market is None else market
    rows, choice = rows_of(demand, market), demand.scorer().market(market)
    firm = demand.panel.offers.firm[rows]
    most = np.sort(np.argsort(-choice.shares(), kind="stable")[:LARGEST]).astype(np.int32)
    found = list(drawn_markets(demand, market, draws, seed))

    def with_interval(of: Callable[[MarketChoice], F64], drawn: list[MarketChoice]) -> dict[str, Any]:
        return _with_interval(of(choice), [of(c) for c in drawn])

    return {
        "market": str(demand.panel.space.markets.ids[market]),
        "products": [str(i) for i in demand.panel.offers.alternatives.ids[demand.panel.offers.alternative[rows[most]]]],
        "shares": choice.shares()[most].tolist(),
        "own_elasticities": with_interval(lambda c: c.own_elasticities()[most], found),
        "elasticities": with_interval(lambda c: c.elasticities()[np.ix_(most, most)], found),
        "covariance": demand.covariance.tolist(),
        "diversion": with_interval(lambda c: c.diversion(most)[:, most], found[:DIVERSION_DRAWS]),
        "markups": with_interval(lambda c: c.markups(firm)[most], found),
        "consumer_surplus": with_interval(_surplus, found),
        "willingness_to_pay": willingness_to_pay(demand, draws, seed),
        "heat_maps": [heat_map_of(demand, by) for by in ("category", "seller")],
    }


def drawn_markets(demand: Demand, market: int, draws: int, seed: int = 0) -> Iterator[MarketChoice]:
    """The market under draws of the estimates; each draw predicts the same shares as the estimates do."""
    base = demand.scorer().market(market)
    shares = base.shares()
    for linear, nonlinear in drawn_estimates(demand, draws, seed):
        choice = _under(demand, base, market, linear, nonlinear)
        yield replace(choice, utility=choice.utility + _shift(choice, shares)[None, :])


def drawn_estimates(demand: Demand, draws: int, seed: int = 0) -> Iterator[tuple[F64, F64]]:
    """(linear [k], nonlinear [p]) drawn from the estimates' joint normal distribution."""
    rng = np.random.default_rng(seed)
    centre = np.concatenate([demand.linear.value, demand.nonlinear.value])
    values, vectors = np.linalg.eigh(demand.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    for _ in range(draws):
        drawn = centre + root @ rng.normal(size=len(centre))
        yield drawn[: len(demand.linear.value)], drawn[len(demand.linear.value) :]


def willingness_to_pay(demand: Demand, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Money per unit of each attribute in mean utility, beta / alpha; empty where price is not in mean utility."""
    names = demand.linear.names
    if terms.PRICE not in names:
        return {}
    price = names.index(terms.PRICE)
    found = np.array([linear / -linear[price] for linear, _ in drawn_estimates(demand, draws, seed)])
    value = demand.linear.value / -demand.linear.value[price]
    return {name: _with_interval(value[i], list(found[:, i]))
            for i, name in enumerate(names) if i != price}  # fmt: skip


def heat_map(demand: Demand, group: I32, groups: int, markets: int = 12) -> F64:
    """[groups, groups] mean elasticity of group a's demand to all of group b's prices, over the latest markets."""
    total, weight = np.zeros((groups, groups)), np.zeros((groups, 1))
    scorer = demand.scorer()
    for market in np.unique(demand.panel.offers.market)[-markets:]:
        of = group[demand.panel.offers.alternative[rows_of(demand, int(market))]]
        choice = scorer.market(int(market))
        member = np.eye(groups)[of]
        shares = choice.shares()[:, None]
        total += (member * shares).T @ choice.elasticities() @ member
        weight += member.T @ shares
    return np.asarray(total / np.where(weight > 0, weight, np.nan))


def heat_map_of(demand: Demand, by: Literal["category", "seller"]) -> dict[str, Any]:
    """Names and mean elasticities between categories or between the sellers that sell most (the others are one)."""
    o, space = demand.panel.offers, demand.panel.space
    row = np.zeros(len(o.alternatives), dtype=np.int64)
    row[o.alternative] = np.arange(len(o.alternative))
    if by == "category":
        labels = [name for name in o.attribute_names if name.startswith("category:")]
        table = demand.panel.offers.attributes[:, [o.attribute_names.index(name) for name in labels]]
        group = np.where(table.any(axis=1), table.argmax(axis=1), len(labels)) if labels else np.zeros(len(row))
        names = [name.removeprefix("category:") for name in labels] + ["other"]
        of = group[row] if labels else np.zeros(len(row), dtype=np.int64)
    else:
        sold = np.bincount(np.maximum(o.firm, 0), demand.panel.shares, minlength=len(space.sellers))
        largest = np.argsort(-sold, kind="stable")[:SELLERS]
        rank = np.full(len(space.sellers), len(largest))
        rank[largest] = np.arange(len(largest))
        names, of = [*(str(space.sellers.ids[f]) for f in largest), "other"], rank[o.firm[row]]
    return {"by": by, "names": names, "elasticities": _plain(heat_map(demand, of.astype(np.int32), len(names)))}


def reference_market(demand: Demand) -> int:
    """The latest of the markets that offer the most alternatives."""
    markets, count = np.unique(demand.panel.offers.market, return_counts=True)
    return int(markets[count == count.max()][-1])


def rows_of(demand: Demand, market: int) -> I32:
    """Rows of the panel in one market."""
    return np.flatnonzero(demand.panel.offers.market == market).astype(np.int32)


def _under(demand: Demand, base: MarketChoice, market: int, linear: F64, nonlinear: F64) -> MarketChoice:
    """The market with other coefficients; mean utilities still those of the estimates."""
    rho = float(np.clip(nonlinear[0], 0, 0.999)) if demand.rho else 0.0
    price = demand.linear.names.index(terms.PRICE) if terms.PRICE in demand.linear.names else None
    effect = np.full(len(base.weight), linear[price] if price is not None else 0.0)
    if demand.basis is None:
        return replace(base, price_effect=effect, rho=rho)
    group = int(demand.tastes.group[market])
    value = demand.basis[group] @ nonlinear
    rows = rows_of(demand, market)
    columns = {k: v[rows] for k, v in demand.panel.columns.items()}
    x = terms.design(demand.tastes.terms, columns, len(rows))
    if terms.PRICE in demand.tastes.terms:
        effect = effect + value[:, demand.tastes.terms.index(terms.PRICE)]
    return replace(base, utility=demand.delta[rows] + value @ x.T, price_effect=effect)


def _shift(choice: MarketChoice, shares: F64, tolerance: float = 1e-12) -> F64:
    """What to add to mean utilities so that the market sells these shares: the BLP contraction, damped by 1 - rho."""
    shift = np.zeros(len(shares))
    sold = shares > 0
    for _ in range(5000):
        now = replace(choice, utility=choice.utility + shift).shares()
        step = np.where(sold, np.log(np.where(sold, shares, 1.0)) - np.log(np.maximum(now, 1e-300)), 0.0)
        shift = shift + (1 - choice.rho) * step
        if np.abs(step).max(initial=0.0) < tolerance:
            break
    return shift


def _surplus(choice: MarketChoice) -> F64:
    return np.asarray(choice.weight @ choice.surplus())


def _with_interval(value: F64, draws: list[F64]) -> dict[str, Any]:
    low, high = np.quantile(np.array(draws), LEVELS, axis=0) if draws else (value, value)
    return {"value": _plain(value), "low": _plain(low), "high": _plain(high)}


def _plain(values: F64) -> Any:
    """Nested lists; what has no value (a surplus where price attracts) is null."""
    table = np.asarray(values, dtype=object)
    table[~np.isfinite(values)] = None
    return table.tolist()
