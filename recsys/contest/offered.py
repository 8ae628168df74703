"""What a segment may carry, and its champion as a choice model of it: the inputs of an assortment.

A choice scorer gives its probabilities in the segment's next market: every product offered anywhere lately, at its
latest price, the segment's own where it has one. Any other champion is calibrated first (`chances`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsys.assortment.instance import Instance
from recsys.assortment.market import of_choice, of_probabilities
from recsys.assortment.rules import Constraints, Traits
from recsys.config import Settings
from recsys.contest.chances import segment_chance, sold_lately
from recsys.contract import DAY, F64, I32, Dataset, Flags, Scorer
from recsys.ranking.lists import active_customers
from recsys.scorers.choice import ChoiceScorer, segment_of
from recsys.scorers.market import MarketChoice

Json = dict[str, Any]
LEAST_ORDERS = 30  # lately, for a segment to get an assortment of its own


@dataclass(frozen=True)
class Market:
    """The products a segment may carry: rows [n] of the night's products, their traits, what is carried today."""

    name: str
    segment: int
    rows: I32
    traits: Traits
    current: Flags  # [n]
    orders: int


Feed = Callable[[Market], Instance]  # the champion as a choice model of a segment


def recommender_feed(
    scorer: Scorer, data: Dataset, calibration: Json, fallback: Scorer, active_days: int, source: str
) -> Feed:
    """Calibrated probabilities of a recommender: a segment's kinds of customers, each by the logit's independence."""
    ids = active_customers(data, active_days)
    segment = data.customer_segment[data.space.customers.rows(ids)]

    def instance(market: Market) -> Instance:
        own = ids[segment == market.segment]
        chance, weight = segment_chance(scorer, data, market.segment, own, calibration, fallback)
        goal = (_price(market), "revenue")
        return of_probabilities(chance[:, market.rows], weight, goal, market.traits, Constraints(), source)

    return instance


def choice_feed(scorer: ChoiceScorer, name: str) -> Feed:
    """A choice scorer in the segment's next market; its taste draws are types of visitors."""

    def instance(market: Market) -> Instance:
        known, choice = next_market(scorer, market)
        goal = (_price(market)[known], "revenue")
        traits = _some(market.traits, known)
        return _spread(of_choice(choice, goal, traits, Constraints(), f"choice probabilities of {name}"), market, known)

    return instance


def next_market(scorer: ChoiceScorer, market: Market) -> tuple[I32, MarketChoice]:
    """(rows of market.rows that the scorer knows, what visitors would choose between): one alternative per product,
    a product of a composite as strong as its part of the composite's sales."""
    offers = scorer.offers
    product = scorer.space.products.rows(market.traits.ids)
    alternative = np.where(product >= 0, offers.composite_of[product], -1)
    latest = _latest_rows(scorer, market.name)
    within = np.ones(len(product)) if offers.within is None else offers.within[product]
    known = np.flatnonzero((alternative >= 0) & (latest[alternative] >= 0) & (within > 0)).astype(np.int32)
    at = latest[alternative[known]]
    offered = replace(offers.take(at), market=np.zeros(len(at), dtype=np.int32))
    own = any(segment_of(str(m)) == market.name for m in scorer.space.markets.ids)
    choice = scorer.market(0, offered, scorer.space.segments.row(market.name) if own else -1)
    part = (1 - choice.rho) * np.log(within[known])
    return known, replace(choice, utility=choice.utility + part[None, :])


def _latest_rows(scorer: ChoiceScorer, segment: str) -> I32:
    """[alternatives] the latest row of each in the segment, else in any; -1 where there is none."""
    offers, names = scorer.offers, [str(m) for m in scorer.space.markets.ids]
    own = np.array([segment_of(name) == segment for name in names])[offers.market]
    period = np.unique([name.rpartition("@")[2] for name in names], return_inverse=True)[1][offers.market]
    order = np.lexsort((period, own))  # the last write is the segment's own, then the latest
    latest = np.full(len(offers.alternatives), -1, dtype=np.int32)
    latest[offers.alternative[order]] = order
    return latest


def markets(data: Dataset, settings: Settings) -> tuple[list[Market], list[Json]]:
    """The segments with enough orders lately, the largest first, and those without, with the reason."""
    c, size = data.catalogue, settings.publishing.assortment
    rows = np.flatnonzero(c.available & np.isfinite(c.price) & (c.price > 0)).astype(np.int32)
    names = np.append(data.space.sellers.ids, "")
    sellers = names[c.seller[rows]]  # -1, nobody, is the last
    ids = tuple(str(i) for i in data.space.products.ids[rows])
    traits = Traits(ids, sellers, c.category[rows], price=c.price[rows].astype(np.float64))
    found, skipped = [], []
    late = data.baskets.time >= data.as_of - settings.contest.availability_days * DAY
    for segment, name in enumerate(data.space.segments.ids):
        mine = late & (data.baskets.segment == segment)
        if mine.sum() < LEAST_ORDERS or not len(rows):
            reason = (f"{int(mine.sum())} orders in the last {settings.contest.availability_days} days, fewer than the "
                      f"{LEAST_ORDERS} an assortment is planned on")  # fmt: skip
            skipped.append({"segment": str(name), "orders": int(mine.sum()), "reason": reason})
            continue
        sold = sold_lately(data, segment, settings.contest.availability_days)[rows]
        found.append(Market(str(name), segment, rows, traits, _best_sellers(sold, size), int(mine.sum())))
    return sorted(found, key=lambda m: -m.orders), skipped


def _best_sellers(sold: F64, size: int) -> Flags:
    """[n] what a segment that carries `size` products carries today: those that sell most there lately."""
    top = np.argsort(-sold, kind="stable")[:size]
    flags = np.zeros(len(sold), dtype=bool)
    flags[top] = sold[top] > 0
    return flags


def _price(market: Market) -> F64:
    assert market.traits.price is not None
    return market.traits.price


def _some(traits: Traits, rows: I32) -> Traits:
    def part(values: Any) -> Any:
        return None if values is None else values[rows]

    ids = tuple(traits.ids[row] for row in rows)
    return Traits(ids, part(traits.sellers), part(traits.categories), price=part(traits.price))


def _spread(instance: Instance, market: Market, known: I32) -> Instance:
    """The instance over all of the market's products; one that the choice model does not know is never bought."""
    n = len(market.rows)
    preference = np.zeros((len(instance.preference), n))
    preference[:, known] = instance.preference
    nests = instance.nests
    if nests is not None:
        of = np.zeros(n, dtype=np.int32)
        of[known] = nests.of
        nests = replace(nests, of=of)
    return replace(instance, preference=preference, revenue=_price(market), nests=nests, ids=market.traits.ids)
