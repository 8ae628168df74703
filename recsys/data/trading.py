"""The days of a planted marketplace: who comes, what they choose, what was shown to them and clicked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.contract import DAY, F32, F64, I32, Flags
from recsys.data.marketplace import WEEK, MarketTruth
from recsys.data.oracle import utilities

LARGEST = 4  # items of a basket
GROWTH = 0.10  # visits grow by this fraction over the period
WEEKDAY = np.array([0.95, 0.9, 0.9, 0.95, 1.05, 1.2, 1.05])  # Monday first
SLATES = 0.2  # share of visits with a logged slate


@dataclass(frozen=True)
class Sales:
    """Order lines in order of day; all [lines]. The first line of an order has `line` 1."""

    order: I32
    line: I32
    day: I32
    person: I32
    product: I32


@dataclass(frozen=True)
class Visits:
    """Everybody who came, buyers or not; all [visits]."""

    day: I32
    person: I32


@dataclass(frozen=True)
class Slates:
    """What was shown; visit [slates] is a row of Visits, the rest is [slates, positions]."""

    visit: I32
    arm: I32
    product: I32
    propensity: F64
    clicked: Flags


def trade(truth: MarketTruth, rng: np.random.Generator) -> tuple[Sales, Visits]:
    """Let every day happen: visits, choices from the offered set, further items."""
    m = len(truth.products)
    bought = np.zeros((len(truth.rate), m), dtype=bool)
    lines: list[NDArray[np.int64]] = []
    visits: list[NDArray[np.int64]] = []
    orders = 0
    for day in range(truth.days):
        comers = _visitors(truth, day, rng)
        visits.append(np.stack([np.full(len(comers), day), comers]))
        on_sale = np.flatnonzero(truth.offered[:, day]).astype(np.int32)
        values = utilities(truth, comers, on_sale, day)
        values += truth.repeat_effect[on_sale] * bought[comers][:, on_sale]
        strength = np.exp(values)
        first, buyers = _choose_first(strength, rng)
        items = [(np.arange(len(buyers)), on_sale[first])]
        items += _choose_more(truth, strength[buyers], on_sale, first, rng)
        for line, (order, product) in enumerate(items, start=1):
            person = comers[buyers[order]]
            bought[person, product] = True
            lines.append(
                np.stack([orders + order, np.full(len(order), line), np.full(len(order), day), person, product])
            )
        orders += len(buyers)
    table = np.concatenate(lines, axis=1).astype(np.int32)
    table = table[:, np.lexsort((table[1], table[0]))]
    came = np.concatenate(visits, axis=1).astype(np.int32)
    return Sales(*table), Visits(*came)


def _visitors(truth: MarketTruth, day: int, rng: np.random.Generator) -> I32:
    """Rows of the people who come on a day, at most once each."""
    busy = WEEKDAY[day % WEEK] * (1 + GROWTH * (day / truth.days - 0.5))
    chance = 1 - np.exp(-truth.rate * busy)
    return np.flatnonzero((rng.random(len(chance)) < chance) & (truth.joined <= day)).astype(np.int32)


def _choose_first(strength: F32, rng: np.random.Generator) -> tuple[I32, I32]:
    """(column chosen, row of the visitor) of those who do not take the outside option."""
    total = strength.sum(axis=1)
    drawn = rng.random(len(total)) * (total + 1)
    buyers = np.flatnonzero(drawn < total).astype(np.int32)
    return _pick(strength[buyers], drawn[buyers]), buyers


def _pick(strength: F32 | F64, drawn: F64) -> I32:
    """Column where the running sum of each row passes `drawn`."""
    running = np.cumsum(strength, axis=1, dtype=np.float64)
    column = (running < drawn[:, None]).sum(axis=1)
    last = strength.shape[1] - 1 - np.argmax(strength[:, ::-1] > 0, axis=1)  # rounding must not pick a barred one
    return np.asarray(np.minimum(column, last), dtype=np.int32)


def _choose_more(
    truth: MarketTruth, strength: F32, on_sale: I32, first: I32, rng: np.random.Generator
) -> list[tuple[NDArray[np.int64], I32]]:
    """(order, product) of second and third items: choices from what is left, partners of the first likelier."""
    left = strength * (1 + truth.complements[on_sale[first]][:, on_sale].toarray())
    orders, column = np.arange(len(first)), first
    items = []
    for _ in range(LARGEST - 1):
        left[np.arange(len(orders)), column] = 0
        total = left.sum(axis=1)
        drawn = rng.random(len(orders)) * (total + truth.enough)
        more = np.flatnonzero(drawn < total)
        orders, left = orders[more], left[more]
        column = _pick(left, drawn[more])
        items.append((orders, on_sale[column]))
    return items


def show(truth: MarketTruth, visits: Visits, rng: np.random.Generator) -> Slates:
    """Fill and judge the slates of a sample of the visits, week by week."""
    chosen = np.flatnonzero(rng.random(len(visits.day)) < SLATES).astype(np.int32)
    arm_of = rng.choice(len(truth.logging.arms), len(truth.rate), p=truth.logging.traffic)  # sticky
    parts = []
    for week in range(len(truth.logging.shelf)):
        visit = chosen[visits.day[chosen] // WEEK == week]
        if len(visit):
            person = visits.person[visit]
            parts.append((visit, *_fill(truth, week, person, arm_of[person].astype(np.int32), rng)))
    return Slates(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def policy(truth: MarketTruth, arm: str, week: int, people: I32) -> F64:
    """Probabilities [n, shelf] with which an arm fills the first position; later ones renormalise what is left."""
    logging = truth.logging
    shelf = logging.shelf[week]
    logits = np.zeros((len(people), len(shelf)))
    if arm == "popular":
        logits += logging.popularity[week]
    elif arm == "personal":
        logits += logging.popularity[week] + logging.guess[people] @ truth.loading[shelf].T
    greedy = np.exp(logits - logits.max(axis=1, keepdims=True))
    greedy /= greedy.sum(axis=1, keepdims=True)
    return np.asarray((1 - logging.explore) * greedy + logging.explore / len(shelf))


def click_probability(truth: MarketTruth, week: int, people: I32) -> F64:
    """P(click | shown and looked at) [n, shelf]; times `logging.examine` it is P(click | shown at a position)."""
    intercept, slope = truth.logging.appeal
    values = utilities(truth, people, truth.logging.shelf[week], week * WEEK).astype(np.float64)
    return np.asarray(1 / (1 + np.exp(-(intercept + slope * values))))


def _fill(
    truth: MarketTruth, week: int, people: I32, arm: I32, rng: np.random.Generator
) -> tuple[I32, I32, F64, Flags]:
    """(arm, product, propensity, clicked) of one week's slates."""
    logging = truth.logging
    left = np.empty((len(people), logging.shelf.shape[1]))
    for a, name in enumerate(logging.arms):
        left[arm == a] = policy(truth, name, week, people[arm == a])
    appeal = click_probability(truth, week, people)
    shape = (len(people), len(logging.examine))
    product, propensity, clicked = np.empty(shape, np.int32), np.empty(shape), np.empty(shape, bool)
    at = np.arange(len(people))
    for position, looked in enumerate(logging.examine):
        total = left.sum(axis=1)
        column = _pick(left, rng.random(len(people)) * total)
        product[:, position] = logging.shelf[week][column]
        propensity[:, position] = left[at, column] / total
        clicked[:, position] = rng.random(len(people)) < looked * appeal[at, column]
        left[at, column] = 0
    return arm, product, propensity, clicked


def seconds(day: I32, rng: np.random.Generator) -> NDArray[np.int64]:
    """A second of each day, busier in the evening; int64 offsets from day 0."""
    hour = rng.triangular(6, 20, 24, len(day))
    return np.asarray(day, dtype=np.int64) * DAY + (hour * 3600).astype(np.int64)
