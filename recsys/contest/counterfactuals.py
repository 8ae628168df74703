"""What would happen in the newest market of every segment: products dropped, repriced, one more added.

The best sellers and one slow seller are dropped, the best sellers repriced by 10 % (no further than their prices have
ever been), and the best seller of other markets is added from its price and attributes. Each at today's prices and
where firms answer with their best ones. Costs are those under which today's prices are every firm's best answer, for
each draw of the estimates anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from recsys.assortment.counterfactual import Change, Shelf, add, drop, reprice, with_intervals
from recsys.assortment.new_product import Newcomer, utilities
from recsys.contest.child import Packed
from recsys.contest.optional import settled
from recsys.contest.plain import plain
from recsys.contest.record import load_fitted
from recsys.contract import F64, Flags
from recsys.data.lake import Lake, ref_from
from recsys.errors import RecsysError
from recsys.models.demand.restored import restored
from recsys.models.demand.system import Demand
from recsys.models.demand.tables import drawn_markets, rows_of
from recsys.scorers.choice import ChoiceScorer, latest_market
from recsys.scorers.market import MarketChoice

Json = dict[str, Any]
MARKETS = 6  # segments, the largest
PRODUCTS = 3  # best sellers of each
DRAWS = 20  # of the estimates
SOLVABLE = 20_000  # taste draws x alternatives up to which prices are solved for again
MOVE = 0.10  # of a price
LEAST_MOVE = 0.005
RIVALS = 3  # to whom most buyers go, by name
CAP = (f"At most {MARKETS} segments (the largest), {PRODUCTS} best sellers and one slow seller each; intervals of 90 % "
       f"from {DRAWS} draws of the estimates.")  # fmt: skip
TOO_LARGE = "too many taste draws and alternatives for solving prices again every night"


@dataclass(frozen=True)
class Case:
    """One question: alternative j of a market, and what becomes of a shelf."""

    change: str  # drop | reprice | add
    j: int
    price: tuple[float, float]  # before, after
    at: dict[str, Callable[[Shelf], Change]]  # fixed | solved


def nightly(lake: Lake, place: str, record: Json, report: Mapping[str, Any]) -> Json:
    """Facts of the fit that serves: its table in the lake, or why there is none."""

    def make() -> Json | None:
        scorer = load_fitted(lake, record)
        state = lake.read_value(Packed, ref_from(record["state"])).arrays if "state" in record else {}
        demand = restored(scorer, report, state) if isinstance(scorer, ChoiceScorer) else None
        return counterfactuals(demand) if demand is not None else None

    found, why = settled(make)
    if found is None:
        return {"status": "none", "reason": why or f"{record['name']} does not say how sure its estimates are."}
    ref = lake.put_json(f"{place}/counterfactuals.json", plain(found)).json()
    return {"status": "ok", "contender": record["name"], "table": ref}


def counterfactuals(demand: Demand) -> Json:
    """JSON-ready: {"cap": words, "markets": [{market, people, rows}]}; schema in docs/demand.md."""
    scorer, segments = demand.scorer(), demand.panel.space.segments
    offered = np.unique(demand.panel.offers.market)
    latest = np.unique(latest_market(offered, demand.panel.space.markets, segments)[: len(segments) or None])
    largest = latest[np.argsort(-demand.panel.offers.size[latest], kind="stable")][:MARKETS]
    found = [_of_market(demand, scorer, int(market)) for market in largest if len(rows_of(demand, int(market))) > 1]
    return {"cap": CAP, "segments": len(latest), "markets": found}


def _of_market(demand: Demand, scorer: ChoiceScorer, market: int) -> Json:
    o, rows = demand.panel.offers, rows_of(demand, market)
    shelf = _shelf(demand, scorer, market)
    names = [str(name) for name in o.alternatives.ids[o.alternative[rows]]]
    drawn = list(drawn_markets(demand, market, DRAWS))
    told = [_row(case, shelf, names, drawn) for case in _cases(shelf, _sellers(names, demand.panel.shares[rows]))]
    newcomer = _newcomer(demand, market)
    if newcomer is not None:
        told.append(_added(scorer, market, shelf, newcomer, names))
    return {"market": str(demand.panel.space.markets.ids[market]), "people": shelf.size, "alternatives": len(rows),
            "rows": told}  # fmt: skip


def _shelf(demand: Demand, scorer: ChoiceScorer, market: int) -> Shelf:
    o, rows = demand.panel.offers, rows_of(demand, market)
    low, high = np.full(len(o.alternatives), np.inf), np.full(len(o.alternatives), -np.inf)
    np.minimum.at(low, o.alternative, o.price)
    np.maximum.at(high, o.alternative, o.price)
    shelf = Shelf.observed(scorer.market(market), o.firm[rows], float(o.size[market]))
    return replace(shelf, low=low[o.alternative[rows]], high=high[o.alternative[rows]])


def _sellers(names: list[str], shares: F64) -> list[int]:
    """The best sellers and last the slowest that sold; pools of slow products only where there is nothing else."""
    sold = [int(j) for j in np.argsort(-shares, kind="stable") if shares[j] > 0]
    alone = [j for j in sold if not names[j].startswith("~")] or sold
    return alone[:PRODUCTS] + alone[PRODUCTS:][-1:]


def _cases(shelf: Shelf, sellers: list[int]) -> Iterator[Case]:
    price = shelf.choice.price
    for j in sellers:
        gone = np.arange(len(price)) == j
        yield Case("drop", j, (float(price[j]), float(price[j])), {
            "fixed": partial(_without, gone, False), "solved": partial(_without, gone, True),
        })  # fmt: skip
    assert shelf.low is not None
    assert shelf.high is not None
    for j in sellers[:PRODUCTS]:
        for factor in (1 - MOVE, 1 + MOVE):
            to = float(np.clip(price[j] * factor, shelf.low[j], shelf.high[j]))
            if abs(to / price[j] - 1) < LEAST_MOVE:
                continue
            moved = np.where(np.arange(len(price)) == j, to, price)
            rivals = shelf.firm != shelf.firm[j]
            yield Case("reprice", j, (float(price[j]), to), {
                "fixed": partial(_at_prices, moved, None), "solved": partial(_at_prices, moved, rivals),
            })  # fmt: skip


def _without(gone: Flags, solve_prices: bool, shelf: Shelf) -> Change:
    return drop(_observed(shelf), gone, solve_prices)


def _at_prices(price: F64, answered: Flags | None, shelf: Shelf) -> Change:
    return reprice(_observed(shelf), price, answered)


def _observed(shelf: Shelf) -> Shelf:
    """The shelf with the costs that its own demand implies."""
    return replace(shelf, cost=shelf.choice.price - shelf.choice.markups(shelf.firm))


def _row(case: Case, shelf: Shelf, names: list[str], drawn: list[MarketChoice]) -> Json:
    row: Json = {"change": case.change, "product": names[case.j], "price": list(case.price)}
    solvable = shelf.choice.utility.size <= SOLVABLE
    for prices, change in case.at.items():
        if prices == "solved" and not solvable:
            row[prices] = {"reason": TOO_LARGE}
            continue
        try:
            found = change(shelf)
            numbers = with_intervals(shelf, change, drawn)
            row[prices] = _told(found, case.j, names, shelf) | {k: _interval(v) for k, v in numbers.items()}
        except (RecsysError, np.linalg.LinAlgError) as error:
            row[prices] = {"reason": str(error)}
    return row


def _told(change: Change, j: int, names: list[str], shelf: Shelf) -> Json:
    """Who gained per buyer that j lost (or who lost per buyer it gained), and prices that were never seen before."""
    moved = np.delete(change.taken / (-change.taken[j] or np.nan), j)
    rivals = np.delete(np.array([*names, ""], dtype=object), j)
    largest = np.argsort(-moved[:-1], kind="stable")[:RIVALS]
    beyond = np.zeros(len(names), dtype=bool)
    if shelf.low is not None and shelf.high is not None:
        beyond = (change.after.price < shelf.low - 1e-6) | (change.after.price > shelf.high + 1e-6)
    return {
        "to": [{"product": str(rivals[i]), "part": _number(moved[i])} for i in largest],
        "buys_nothing": _number(moved[-1]),
        "prices_never_seen": int(beyond.sum()),
    }


def _newcomer(demand: Demand, market: int) -> tuple[str, Newcomer] | None:
    """The best seller of all markets that this one does not offer, as its latest row describes it."""
    o = demand.panel.offers
    absent = ~np.isin(o.alternative, o.alternative[rows_of(demand, market)])
    absent &= ~np.char.startswith(o.alternatives.ids[o.alternative].astype(str), "~")
    if not absent.any():
        return None
    sold = np.bincount(o.alternative[absent], (demand.panel.shares * o.size[o.market])[absent])
    best = int(sold.argmax())
    at = int(np.flatnonzero(o.alternative == best)[-1])
    traits = dict(zip(o.attribute_names, o.attributes[at].tolist(), strict=True))
    nest = -1 if o.nests is None else int(o.nests[at])
    return str(o.alternatives.ids[best]), Newcomer(float(o.price[at]), traits, int(o.firm[at]), nest)


def _added(scorer: ChoiceScorer, market: int, shelf: Shelf, newcomer: tuple[str, Newcomer], names: list[str]) -> Json:
    """At today's prices; its worth is a prediction from what is like it, so there is no interval from draws."""
    name, product = newcomer
    markup = shelf.choice.price - shelf.cost
    own = shelf.firm == product.firm
    cost = product.price - float(np.median(markup[own] if own.any() else markup))
    found = add(shelf, utilities(scorer, market, product), product.price, cost, product.firm, product.nest)
    bounds = replace(shelf, low=None, high=None)
    told = _told(found, len(names), [*names, name], bounds)
    numbers = {k: _interval(np.array([v, np.nan, np.nan])) for k, v in found.numbers().items()}
    return {"change": "add", "product": name, "price": [product.price, product.price], "fixed": told | numbers,
            "solved": {"reason": "a product nobody has bought is added at today's prices only"}}  # fmt: skip


def _interval(value: F64) -> Json:
    return dict(zip(("value", "low", "high"), map(_number, value), strict=True))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
