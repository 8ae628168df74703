"""The market-choice and price-response tracks of one night: every contender on the markets of the held-out days.

The offered sets and prices of those markets are the realised ones. The first half of the periods calibrates what
needs calibrating (a recommender's softmax, its outside option), the later half is judged, the same for everybody.
Shapes: n rows of the panel, e price changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.contest.chances import ASKED, evenly, priors, scores_of
from recsys.contract import F64, I32, Dataset, Flags, Index, Offers, Queries, Scorer, Texts
from recsys.data.markets import OTHER
from recsys.data.split import HeldOut, ask
from recsys.evaluation.calibration import Softmax, chances, fit_softmax
from recsys.evaluation.market_choice import MarketChoices, judge
from recsys.evaluation.price_response import PriceResponse, price_changes, price_response
from recsys.ranking.lists import active_customers
from recsys.scorers.choice import ChoiceScorer, segment_of
from recsys.scorers.likelihood import UnitLikelihood, predicted, unit_likelihood

Json = dict[str, Any]


@dataclass(frozen=True)
class HeldMarkets:
    """The panel's markets after a cutoff; `judged` and `before` are [n] rows, `learn` those that calibrate."""

    offers: Offers  # all rows of the night's panel
    products: Index  # of the night
    names: tuple[str, ...]  # market ids
    segment: tuple[str, ...]  # [markets]
    period: I32  # [n] row number of the period
    learn: Flags
    judged: Flags
    before: Flags  # the last period before the cutoff: where a price change may start
    since: str  # first day of the first judged period

    @property
    def late(self) -> Flags:
        return np.asarray(self.learn | self.judged)

    @property
    def units(self) -> F64:
        assert self.offers.units is not None
        return self.offers.units


@dataclass(frozen=True)
class Past:
    """What a backtest's contender was fitted on and what calibrates it; the same for all contenders of a night."""

    train: Dataset
    truth: HeldOut
    since: int  # epoch second of the first judged period: purchases before it calibrate
    customers: Mapping[str, Texts]  # active ones of each market segment; small segments share ~other


@dataclass(frozen=True)
class Marks:
    """How one contender did on both tracks; `response` is None for one that knows no prices."""

    choices: MarketChoices
    gain: tuple[float, float]  # log-likelihood per unit over popularity, with its standard error over markets
    outside_error: float  # mean absolute error of the share that buys nothing
    response: PriceResponse | None


def held_markets(data: Dataset, first_day: str, unfinished: str) -> HeldMarkets | None:
    """The periods that begin on `first_day` or later and before the `unfinished` one (names of periods, ISO days or
    months); None with fewer than two, or without a panel."""
    offers, markets = data.offers, data.space.markets
    if offers is None or offers.units is None:
        return None
    names = tuple(str(m) for m in markets.ids)
    of = [name.rpartition("@")[2] for name in names]
    periods = Index.of(of[m] for m in np.unique(offers.market))
    held = [str(p) for p in periods.ids if str(p) + "-01" * (len(str(p)) == 7) >= first_day and str(p) < unfinished]
    if len(held) < 2:
        return None
    split = held[len(held) // 2]
    period = periods.rows(of)[offers.market]
    begins = periods.rows([held[0], split, held[-1]])
    return HeldMarkets(
        offers=offers,
        products=data.space.products,
        names=names,
        segment=tuple(segment_of(name) for name in names),
        period=period,
        learn=(period >= begins[0]) & (period < begins[1]),
        judged=(period >= begins[1]) & (period <= begins[2]),
        before=period == begins[0] - 1,
        since=split,
    )


def marks(scorer: Scorer, held: HeldMarkets, past: Past) -> Marks | None:
    """Both tracks of one contender fitted on the past; None where it has no opinion without a basket."""
    if isinstance(scorer, ChoiceScorer):
        p = predicted_shares(scorer, held)
        return _marks(held, p, _response(p, held))
    inside = recommended(scorer, held, past)
    return None if inside is None else _marks(held, _with_outside(inside, held), None)


def popularity(held: HeldMarkets) -> UnitLikelihood:
    """The ground: what all markets before the cutoff bought, among what is offered."""
    o, early = held.offers, held.period < held.period[held.learn].min()
    share: F64 = np.bincount(o.alternative[early], held.units[early], minlength=len(o.alternatives)) + np.float64(0.5)
    at = held.judged
    return unit_likelihood(share[o.alternative[at]], held.units[at], o.market[at])


def predicted_shares(scorer: ChoiceScorer, held: HeldMarkets) -> F64:
    """[n] a choice scorer's shares of the late rows and of the period before, at expected quality; 0 elsewhere."""
    rows = held.late | held.before
    offers = held.offers.take(rows)
    own = {segment_of(str(m)) for m in scorer.space.markets.ids}
    segment = np.array([scorer.space.segments.row(s) if s in own else -1 for s in held.segment], dtype=np.int32)
    found = np.zeros(len(rows))
    found[rows] = predicted(scorer, offers, segment)
    return found


def recommended(scorer: Scorer, held: HeldMarkets, past: Past) -> F64 | None:
    """[n] a recommender's calibrated probabilities of the late rows given that something is bought, by segment."""
    train, how = past.train, _learnt(scorer, past)
    if how is None:
        return None
    found = np.zeros(len(held.offers.market))
    for name, ids in past.customers.items():
        chance = _chance(scorer, how, train, ids)
        mine = np.flatnonzero(held.late & np.isin(held.offers.market, _rows(held, name)))
        by_alternative = _by_alternative(chance, train, held)
        found[mine] = by_alternative[held.offers.alternative[mine]]
    return found


def _marks(held: HeldMarkets, p: F64, response: PriceResponse | None) -> Marks:
    at, o = held.judged, held.offers
    choices = judge(p[at], held.units[at], o.market[at])
    bought = np.bincount(o.market[at], p[at], minlength=len(o.size))
    sold = np.bincount(o.market[at], held.units[at], minlength=len(o.size)) / np.maximum(o.size, 1e-300)
    seen = np.unique(o.market[at])
    error = float(np.abs(bought - sold)[seen].mean())
    return Marks(choices, choices.likelihood.gain_over(popularity(held)), error, response)


def _response(p: F64, held: HeldMarkets) -> PriceResponse:
    """Predicted against observed log change of shares of what was bought, where a price moved by more than 10 %."""
    o, rows = held.offers, held.late | held.before
    at = np.flatnonzero(rows)
    segment = np.unique(np.array(held.segment)[o.market[at]], return_inverse=True)[1].astype(np.int32)
    moved = price_changes(o.price[at], o.alternative[at], segment, held.period[at], held.late[at])
    with np.errstate(divide="ignore", invalid="ignore"):
        said, did = (np.log(v[at] / np.bincount(o.market, v * rows)[o.market[at]]) for v in (p, held.units))
    return price_response(said[moved.after] - said[moved.before], did[moved.after] - did[moved.before])


def _with_outside(inside: F64, held: HeldMarkets) -> F64:
    """Probabilities of a visitor: those of a buyer times the share that bought in the segment's calibrating markets."""
    o = held.offers
    sold = np.bincount(o.market, held.units, minlength=len(o.size)) / np.maximum(o.size, 1e-300)
    learnt = np.unique(o.market[held.learn])
    whole = float(sold[learnt].mean())
    of = np.array(held.segment)
    share = {s: float(sold[learnt[of[learnt] == s]].mean()) for s in np.unique(of[learnt])}
    buys = np.array([share.get(s, whole) for s in of])
    total = np.bincount(o.market, inside * held.late, minlength=len(o.size))
    return np.asarray(inside / np.maximum(total, 1e-300)[o.market] * buys[o.market])


def _learnt(scorer: Scorer, past: Past) -> Softmax | None:
    """The softmax of purchases in the calibrating days; None without an opinion."""
    train, truth = past.train, past.truth
    rows = evenly(len(truth.queries), ASKED)
    scores = scores_of(scorer, truth.queries.take(rows), None)
    if not np.isfinite(scores).any():
        return None
    bought = truth.truth.take(rows)
    early = bought.time < past.since
    owner, product = bought.owner[early], bought.product[early]
    return fit_softmax(scores, owner, product, priors(train, truth.queries.segment[rows]), train.catalogue.available)


def _chance(scorer: Scorer, how: Softmax, train: Dataset, ids: Any) -> F64:
    """[m] mean over customers of what they buy next, given that they buy; somebody unknown where there is nobody."""
    asked = ids[evenly(len(ids), ASKED)] if len(ids) else np.array([""], dtype=object)
    queries: Queries = ask(train, asked, np.full(len(asked), -1, dtype=np.int32))
    scores = scores_of(scorer, queries, None)
    every = np.ones(train.n_products, dtype=bool)  # what was offered is known; what is available now is not asked
    return np.asarray(chances(scores, how, priors(train, queries.segment), every).mean(axis=0))


def _by_alternative(chance: F64, train: Dataset, held: HeldMarkets) -> F64:
    """[alternatives] chances added up; one whose products nobody had sold yet is as unlikely as the least likely."""
    row = train.space.products.map_to(held.products)
    alternative = np.where(row >= 0, held.offers.composite_of[row], -1)
    known = alternative >= 0
    found = np.bincount(alternative[known], chance[known], minlength=len(held.offers.alternatives))
    return np.where(found > 0, found, chance.min())


def customers_of(train: Dataset, held: HeldMarkets, active_days: int) -> dict[str, Texts]:
    """Active customers of each market segment; the small ones that share ~other together."""
    ids = active_customers(train, active_days)
    own = train.customer_segment[train.space.customers.rows(ids)]
    names = np.append(train.space.segments.ids, "")[own]
    alone = set(held.segment) - {OTHER}
    market_segment = np.array([str(n) if str(n) in alone else OTHER for n in names], dtype=object)
    return {s: ids[market_segment == s] for s in sorted(set(held.segment))}


def _rows(held: HeldMarkets, segment: str) -> I32:
    return np.array([m for m, s in enumerate(held.segment) if s == segment], dtype=np.int32)
