"""Choice scorer: the probability that a customer takes each product of the set a market offers.

    delta_jt = beta . x_jt + alternative_j + segment_t + period_t + xi_jt       mean utility
    mu_rjt   = taste_r . x_jt                                                   what draw r adds to it
    w_r(u)   = w_r * prod_k s_{r, j_k}(market of purchase k)^history_weight     tastes seen in own purchases
    P(j | u) = sum_r w_r(u) s_rj

A customer without purchases gets the market's shares. Logit, nested logit and BLP all end here; logit and nested
logit have one draw, so purchases change nothing. Markets are the one thing a query names in its own night's rows
(`queries.space.markets`): a market of today is new to every scorer, so it is found by its id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsys.contract import EMPTY, F32, F64, I32, Events, Index, Offers, Queries, Space
from recsys.scorers import terms
from recsys.scorers.market import MarketChoice


@dataclass(frozen=True)
class Utility:
    """Mean utility: coefficients, effects, and what was left in the markets of the fit."""

    terms: tuple[str, ...]
    beta: F64  # [terms]
    alternative: F64  # [alternatives]
    segment: F64  # [segments + 1], the last for an unknown segment
    period: float  # effect of a period after the fit
    delta: F64  # [rows of the fit's offers]
    unknown: float = 0.0  # effect of an alternative that the fit never saw


@dataclass(frozen=True)
class Tastes:
    """Weighted draws of the coefficients that differ between people; several groups where people differ by market."""

    terms: tuple[str, ...]
    value: F64  # [groups, R, terms] added to the mean coefficients
    weight: F64  # [groups, R] sums to 1 in each group
    group: I32  # [markets] group of each market of the fit
    segment: I32  # [segments + 1] group of a later market of a segment


@dataclass(frozen=True)
class ChoiceScorer:
    """score[q, p] = P(alternative of p | customer, offered set) * share of p in its alternative; NaN: not offered."""

    space: Space
    offers: Offers  # what the fit saw
    utility: Utility
    tastes: Tastes
    rho: float = 0.0  # nesting
    history_weight: float = 1.0

    @property
    def inputs(self) -> Index:
        return EMPTY

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)] probabilities; a row without any offered set is all NaN."""
        wanted = np.arange(len(self.space.products), dtype=np.int32) if products is None else products
        scores = np.full((len(queries), len(wanted)), np.nan, dtype=np.float32)
        offers = queries.offers
        asked = self._markets_of(queries)
        history = self._own_markets(queries)
        for market in np.unique(asked[asked >= 0]):
            of = np.flatnonzero(asked == market)
            for segment in np.unique(queries.segment[of]):
                rows = of[queries.segment[of] == segment]
                at = self.rows_of(int(market), offers)
                choice, group = self._market(at, int(market), int(segment), offers)
                weight = self.weights(history.take(rows.astype(np.int32)), group)
                chance = weight @ choice.probabilities()
                scores[rows] = self._per_product(chance, at, offers or self.offers, wanted)
        return scores

    def market(self, market: int, offers: Offers | None = None, segment: int = -1) -> MarketChoice:
        """What the visitors of a market choose between.

        Without offers: a market of the fit (a row of the space's markets), its own unobserved quality included. With
        offers: a row of their markets, in a segment of the space, at the expected quality.
        """
        return self._market(self.rows_of(market, offers), market, segment, offers)[0]

    def rows_of(self, market: int, offers: Offers | None = None) -> I32:
        """Rows of a market in the offers (the fit's own by default), in their order."""
        if offers is None:
            order, start = self._by_market
            return order[start[market] : start[market + 1]] if market < len(start) - 1 else order[:0]
        return np.flatnonzero(offers.market == market).astype(np.int32)

    def weights(self, history: Events, group: int) -> F64:
        """w_r(u), [n, R]: draws re-weighted by own purchases in markets (rows of this scorer's) with the same draws."""
        prior = np.log(np.maximum(self.tastes.weight[group], 1e-300))
        log_weight = np.tile(prior, (len(history), 1))
        if len(prior) == 1 or not len(history.product) or not self.history_weight:
            return _normalised(log_weight)
        owner = np.repeat(np.arange(len(history), dtype=np.int32), np.diff(history.start))
        known = (history.market >= 0) & (self.offers.composite_of[history.product] >= 0)
        for market in np.unique(history.market[known]):
            if market >= len(self.tastes.group) or self.tastes.group[market] != group:
                continue
            bought = np.flatnonzero(known & (history.market == market))
            self._reweigh(log_weight, owner[bought], history.product[bought], int(market))
        return _normalised(log_weight)

    def mean_utility(self, offers: Offers, rows: I32, segment: int) -> F64:
        """delta of offers made after the fit, [rows]: expected unobserved quality, no shock."""
        columns = columns_of(offers)
        x = terms.design(self.utility.terms, {k: v[rows] for k, v in columns.items()}, len(rows))
        mine = self._alternative_rows(offers)[offers.alternative[rows]]
        effect = np.where(mine >= 0, self.utility.alternative[np.maximum(mine, 0)], self.utility.unknown)
        return np.asarray(x @ self.utility.beta + effect + self.utility.segment[segment] + self.utility.period)

    def _reweigh(self, log_weight: F64, owner: I32, product: I32, market: int) -> None:
        at = self.rows_of(market)
        position = np.full(len(self.offers.alternatives), -1)
        position[self.offers.alternative[at]] = np.arange(len(at))
        column = position[self.offers.composite_of[product]]
        offered = column >= 0
        chance = self.market(market).probabilities()[:, column[offered]]
        np.add.at(log_weight, owner[offered], self.history_weight * np.log(np.maximum(chance, 1e-300)).T)

    def _market(self, rows: I32, market: int, segment: int, offers: Offers | None) -> tuple[MarketChoice, int]:
        if offers is None:
            group, delta, offers = int(self.tastes.group[market]), self.utility.delta[rows], self.offers
        else:
            group, delta = int(self.tastes.segment[segment]), self.mean_utility(offers, rows, segment)
        columns = {k: v[rows] for k, v in columns_of(offers).items()}
        x = terms.design(self.tastes.terms, columns, len(rows))
        taste = self.tastes.value[group]
        choice = MarketChoice(
            utility=delta[None, :] + taste @ x.T,
            weight=self.tastes.weight[group],
            price=offers.price[rows],
            price_effect=self._price_effect(taste),
            nests=None if offers.nests is None or not self.rho else offers.nests[rows],
            rho=self.rho,
        )
        return choice, group

    def _price_effect(self, taste: F64) -> F64:
        mean = dict(zip(self.utility.terms, self.utility.beta, strict=True)).get(terms.PRICE, 0.0)
        if terms.PRICE not in self.tastes.terms:
            return np.full(len(taste), mean)
        return np.asarray(mean + taste[:, self.tastes.terms.index(terms.PRICE)])

    def _markets_of(self, queries: Queries) -> I32:
        """Market each query is answered in: its own where the offers have it, else its segment's latest."""
        offers = queries.offers or self.offers
        offered = np.unique(offers.market)
        own = np.full(len(queries), -1, dtype=np.int32) if queries.market is None else queries.market
        if not len(offered):
            return np.full(len(queries), -1, dtype=np.int32)
        names = queries.space.markets
        if queries.offers is None:
            own = _moved(own, names.map_to(self.space.markets))
            names = self.space.markets
        latest = latest_market(offered, names, self.space.segments)
        return np.where(np.isin(own, offered), own, latest[queries.segment]).astype(np.int32)

    def _own_markets(self, queries: Queries) -> Events:
        """Histories with their markets in this scorer's rows, -1 for a market the fit did not see."""
        to_mine = queries.space.markets.map_to(self.space.markets)
        return dataclasses.replace(queries.history, market=_moved(queries.history.market, to_mine))

    def _per_product(self, chance: F64, rows: I32, offers: Offers, wanted: I32) -> F32:
        mine = self._alternative_rows(offers)[offers.alternative[rows]]
        position = np.full(len(self.offers.alternatives) + 1, -1)
        position[mine[mine >= 0]] = np.flatnonzero(mine >= 0)
        column = position[self.offers.composite_of[wanted]]  # a product without an alternative reads the last: -1
        within = np.ones(len(wanted)) if self.offers.within is None else self.offers.within[wanted]
        return np.where(column >= 0, chance[:, column] * within, np.nan).astype(np.float32)

    def _alternative_rows(self, offers: Offers) -> I32:
        return offers.alternatives.map_to(self.offers.alternatives)

    @cached_property
    def _by_market(self) -> tuple[I32, I32]:
        order = np.argsort(self.offers.market, kind="stable").astype(np.int32)
        count = np.bincount(self.offers.market, minlength=len(self.space.markets))
        return order, np.concatenate([[0], np.cumsum(count)]).astype(np.int32)


def columns_of(offers: Offers) -> Mapping[str, F64]:
    """Columns a formula may name: `prices` and the attributes."""
    return {terms.PRICE: offers.price} | {
        name: offers.attributes[:, i] for i, name in enumerate(offers.attribute_names)
    }


def market_id(segment: str, period: str) -> str:
    """Id of a market; text order is time order within a segment when periods sort as text."""
    return f"{segment}@{period}"


def segment_of(market: str) -> str:
    """The segment of a market id; a market without one is its own segment."""
    return market.rpartition("@")[0] or market


def latest_market(offered: I32, markets: Index, segments: Index) -> I32:
    """[segments + 1] the latest offered market of each segment; last: the latest of all; -1 for none."""
    latest = np.full(len(segments) + 1, -1, dtype=np.int32)
    newest = ""
    for market in offered:
        name = str(markets.ids[market]) if market < len(markets) else ""
        row = segments.row(segment_of(name))
        period = name.rpartition("@")[2]
        if row >= 0:
            latest[row] = market  # offered is sorted, and so are the ids
        if period >= newest:
            latest[-1], newest = market, period
    latest[:-1] = np.where(latest[:-1] < 0, latest[-1], latest[:-1])
    return latest


def _moved(market: I32, to: I32) -> I32:
    if not len(to):
        return np.full(len(market), -1, dtype=np.int32)
    return np.where(market >= 0, to[np.maximum(market, 0)], -1).astype(np.int32)


def _normalised(log_weight: F64) -> F64:
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
