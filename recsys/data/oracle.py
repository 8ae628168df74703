"""What the truth of a simulated marketplace answers: choices, lists and second items nobody could predict better.

The utility and its symbols are those of `marketplace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.contract import DAY, F32, F64, I32, I64, Flags
from recsys.data.marketplace import CROWD, WEEK, Marketplace, MarketTruth


def utilities(truth: MarketTruth, people: I32, products: I32, day: int, prices: F64 | None = None) -> F32:
    """V [len(people), len(products)] without the repeat effect; `prices` [m] overrides the charged ones."""
    week, segment = day // WEEK, truth.segment[people]
    base = truth.quality + truth.segment_effect + truth.shock[:, :, week]
    charged = truth.price[:, :, week] if prices is None else np.broadcast_to(prices, base.shape)
    values = truth.taste[people] @ truth.loading[products].T
    values += base[segment][:, products]
    values -= truth.price_coefficient[people][:, None] * charged[segment][:, products]
    return np.asarray(values, dtype=np.float32)


def bought_before(truth: MarketTruth, customers: I32, day: int) -> Flags:
    """[len(customers), m] whether a customer bought a product before `day`."""
    events = truth.purchases.take(customers)
    owner = np.repeat(np.arange(len(events)), np.diff(events.start))
    past = events.time < truth.start + day * DAY
    bought = np.zeros((len(customers), len(truth.products)), dtype=bool)
    bought[owner[past], events.product[past]] = True
    return bought


def oracle_scores(market: Marketplace | MarketTruth, customers: I32, products: I32 | None, day: int) -> F32:
    """True probability [n, m] that a visit on `day` ends with this product first; 0 where it is not offered.

    `customers` and `products` are rows of the truth's indexes, products None = all; what the customer bought
    before `day` counts. Nobody can rank the next purchase better on average.
    """
    truth = _truth(market)
    everything = np.arange(len(truth.products), dtype=np.int32)
    values = utilities(truth, customers, everything, day)
    values += truth.repeat_effect * bought_before(truth, customers, day)
    chance = _choose(values, truth.offered[:, day])
    return np.asarray(chance if products is None else chance[:, products], dtype=np.float32)


def window_scores(market: Marketplace | MarketTruth, customers: I32, first_day: int, last_day: int) -> F32:
    """Mean over the days of a window of the true probability [n, m] that a visit ends with this product first.

    Only what was bought before `first_day` counts, as for anybody who makes a list then. A customer -1 - s is somebody
    of segment s of whom nothing else is known: the mean over its people (about CROWD of them).
    """
    truth = _truth(market)
    days = range(max(first_day, 0), min(last_day, truth.last_day) + 1)
    known, scores = np.flatnonzero(customers >= 0), np.zeros((len(customers), len(truth.products)), dtype=np.float32)
    rows = customers[known]
    again = truth.repeat_effect * bought_before(truth, rows, first_day)
    scores[known] = _mean_chances(truth, rows, days, again)
    for stranger in np.unique(customers[customers < 0]):
        people, weight = people_of(truth, -1 - int(stranger))
        some = slice(None, None, max(1, len(people) // CROWD))
        chance = _mean_chances(truth, people[some], days)
        scores[customers == stranger] = weight[some] @ chance / weight[some].sum()
    return scores


def _mean_chances(truth: MarketTruth, people: I32, days: Sequence[int], again: F32 | float = 0.0) -> F32:
    """Mean over days of the choice probabilities [n, m]; utilities move by the week, offers by the day."""
    everything = np.arange(len(truth.products), dtype=np.int32)
    total = np.zeros((len(people), len(everything)), dtype=np.float32)
    for week in sorted({day // WEEK for day in days}):
        strength = np.exp(utilities(truth, people, everything, week * WEEK) + again)
        within = [day for day in days if day // WEEK == week]
        for offered, times in _different(truth.offered[:, within]):
            total += times * _chances(strength, offered)
    return total / np.float32(max(len(days), 1))


def _different(offered: Flags) -> list[tuple[Flags, np.float32]]:
    """Each different column of offered [m, days], and how often it comes."""
    columns, times = np.unique(offered, axis=1, return_counts=True)
    return [(column, np.float32(n)) for column, n in zip(columns.T, times, strict=True)]


def oracle_completion(market: Marketplace | MarketTruth, customers: I32, first: I32, day: int) -> F32:
    """True probability [n, m] of each product as second item, given the first and that there is a second.

    `customers` [n] (-1 = a guest: averaged over who would buy that first item) and `first` [n] are rows.
    """
    truth = _truth(market)
    everything = np.arange(len(truth.products), dtype=np.int32)
    scores = np.empty((len(first), len(everything)), dtype=np.float32)
    known = np.flatnonzero(customers >= 0)
    values = utilities(truth, customers[known], everything, day)
    values += truth.repeat_effect * bought_before(truth, customers[known], day)
    scores[known] = _complete(truth, np.exp(values) * truth.offered[:, day], first[known])
    crowd = np.arange(len(truth.rate), dtype=np.int32)[:: max(1, len(truth.rate) // 400)]
    strength = np.exp(utilities(truth, crowd, everything, day)) * truth.offered[:, day]
    chance = strength / (1 + strength.sum(axis=1, keepdims=True)) * truth.rate[crowd][:, None]
    for row in np.flatnonzero(customers < 0):
        weight = chance[:, first[row]] + 1e-12
        second = _complete(truth, strength, np.full(len(crowd), first[row], dtype=np.int32))
        scores[row] = weight / weight.sum() @ second
    return scores


def pair_scores(market: Marketplace | MarketTruth, customers: I32, shown: I32, days: Sequence[int]) -> F32:
    """True strength [n, m] of each product as the other one of a two-item order of which `shown` [n] is one.

    Which of the two was bought first is not known, nor is the day among `days`: with e = exp(V) on offer, c the
    complements, W_i = sum over j != i of e_j (1 + c_ij),

        score_j = mean over days of e_i e_j / (1 + sum e) ((1 + c_ij) / (W_i + enough) + (1 + c_ji) / (W_j + enough))

    `customers` [n] are rows, -1 = a guest: averaged over everybody, weighted by how often they come.
    """
    truth = _truth(market)
    scores = np.zeros((len(shown), len(truth.products)), dtype=np.float32)
    known, guests = np.flatnonzero(customers >= 0), np.flatnonzero(customers < 0)
    crowd = np.arange(len(truth.rate), dtype=np.int32)[:: max(1, len(truth.rate) // CROWD)]
    everything = np.arange(len(truth.products), dtype=np.int32)
    again = truth.repeat_effect * bought_before(truth, customers[known], min(days))
    for day in days:
        values = utilities(truth, customers[known], everything, day) + again
        pairs = _Pairs.of(truth, np.exp(values) * truth.offered[:, day])
        scores[known] += pairs.partners(np.arange(len(known)), shown[known])
        pairs = _Pairs.of(truth, np.exp(utilities(truth, crowd, everything, day)) * truth.offered[:, day])
        weight = (truth.rate[crowd] / truth.rate[crowd].sum()).astype(np.float32)
        for item in np.unique(shown[guests]):
            theirs = pairs.partners(np.arange(len(crowd)), np.full(len(crowd), item, dtype=np.int32))
            scores[guests[shown[guests] == item]] += weight @ theirs
    return scores / np.float32(len(days))


@dataclass(frozen=True)
class _Pairs:
    """The parts of `pair_scores` on one day; all [n, m] but for the complements [m, m]."""

    strength: F32  # exp(V), 0 where a product is not on offer
    chance: F32  # strength / (1 + sum of strengths)
    left: F32  # W + enough
    forth: F32  # 1 + complements
    back: F32  # its transpose

    @classmethod
    def of(cls, truth: MarketTruth, strength: F32) -> _Pairs:
        total = strength.sum(axis=1, keepdims=True)
        bonus = (1 + truth.complements.toarray()).astype(np.float32)
        left = total - strength + (truth.complements @ strength.T).T + np.float32(truth.enough)
        return cls(strength, strength / (1 + total), left, bonus, np.ascontiguousarray(bonus.T))

    def partners(self, rows: I64, shown: I32) -> F32:
        """The formula of `pair_scores`: float32[len(rows), m]."""
        scores = self.forth[shown] / self.left[rows, shown][:, None] + self.back[shown] / self.left[rows]
        scores *= self.chance[rows, shown][:, None] * self.strength[rows]
        scores[np.arange(len(rows)), shown] = 0
        return np.asarray(scores, dtype=np.float32)


def expected_shares(
    market: Marketplace | MarketTruth, day: int, segment: int, prices: F64 | None = None, offered: Flags | None = None
) -> F64:
    """Expected share of visits [m] per product in a segment; the rest, 1 - sum, leaves without buying.

    `prices` [m] and `offered` [m] replace those of the day: that is the true counterfactual. The mean runs over
    everybody of the segment, weighted by how often they come; purchases of the past are left out.
    """
    truth = _truth(market)
    people, weight = people_of(truth, segment)
    everything = np.arange(len(truth.products), dtype=np.int32)
    on_sale = truth.offered[:, day] if offered is None else offered
    chance = _choose(utilities(truth, people, everything, day, prices), on_sale)
    return np.asarray(weight @ chance, dtype=np.float64)


def own_elasticities(truth: MarketTruth, day: int, segment: int) -> F64:
    """d log share / d log price [m] at the charged prices; NaN where not offered."""
    people, weight = people_of(truth, segment)
    everything = np.arange(len(truth.products), dtype=np.int32)
    chance = _choose(utilities(truth, people, everything, day), truth.offered[:, day]).astype(np.float64)
    slope = -(weight * truth.price_coefficient[people]) @ (chance * (1 - chance))
    with np.errstate(invalid="ignore", divide="ignore"):
        elasticity = slope * truth.price[segment, :, day // WEEK] / (weight @ chance)
    return np.asarray(elasticity, dtype=np.float64)


def barred(market: Marketplace | MarketTruth, day: int) -> Flags:
    """[m] products that must not be recommended on `day`: not launched yet, out of stock or discontinued."""
    return np.asarray(~_truth(market).offered[:, day])


def people_of(truth: MarketTruth, segment: int) -> tuple[I32, F64]:
    """Rows of everybody in a segment and their weights in its visits, summing to 1."""
    people = np.flatnonzero(truth.segment == segment).astype(np.int32)
    return people, truth.rate[people] / truth.rate[people].sum()


def _truth(market: Marketplace | MarketTruth) -> MarketTruth:
    return market.truth if isinstance(market, Marketplace) else market


def _choose(values: F32, offered: Flags) -> F32:
    """Logit probabilities with an outside option of utility 0."""
    return _chances(np.exp(values), offered)


def _chances(strength: F32, offered: Flags) -> F32:
    strength = strength * offered
    return np.asarray(strength / (1 + strength.sum(axis=1, keepdims=True)), dtype=np.float32)


def _complete(truth: MarketTruth, strength: F32, first: I32) -> F32:
    """Logit probabilities of the second item among everything but the first."""
    wanted = strength * (1 + truth.complements[first].toarray())
    wanted[np.arange(len(first)), first] = 0
    return np.asarray(wanted / np.maximum(wanted.sum(axis=1, keepdims=True), 1e-30), dtype=np.float32)
