"""Bring a drawn truth to its planned figures (sales by seller, conversion, baskets, clicks), then measure the rest."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import brentq, fsolve

from recsys.contract import F64
from recsys.data.marketplace import WEEK, Experiments, MarketTruth
from recsys.data.oracle import own_elasticities, people_of, utilities

CONVERSION = 0.30  # visits that end with an order
SECOND, PARTNER = 0.20, 0.7  # orders with a second item; second items that are a planted partner of the first
CLICKS = 0.04  # of looked-at slots filled at random


def calibrate(truth: MarketTruth, target: F64) -> MarketTruth:
    """The truth with everything filled in; `target` [sellers] is each seller's planned share of sales."""
    truth = _calibrate_baskets(_calibrate_sales(truth, target))
    elasticity = np.stack([own_elasticities(truth, truth.last_day, s) for s in range(len(truth.segments))])
    shelf, price = truth.logging.shelf, truth.price_coefficient.mean() * truth.price.mean(axis=(0, 2))
    logging = dataclasses.replace(
        truth.logging,
        popularity=(truth.quality - price)[shelf].astype(np.float64),
        appeal=np.array([_click_intercept(truth), truth.logging.appeal[1]]),
    )
    return dataclasses.replace(truth, elasticity=elasticity, experiments=_measure(truth), logging=logging)


def _calibrate_sales(truth: MarketTruth, target: F64) -> MarketTruth:
    """Shift qualities until expected sales by seller and the share of visits that buy are as planned."""
    rng = np.random.default_rng(0)  # a fixed sample of people: calibration is not a draw of the truth
    people = rng.choice(len(truth.rate), min(400, len(truth.rate)), replace=False).astype(np.int32)
    days = np.linspace(0, truth.last_day, 4).astype(int)
    everything = np.arange(len(truth.products), dtype=np.int32)
    values = [utilities(truth, people, everything, int(day)) for day in days]
    prices = [truth.price[:, :, day // WEEK][truth.segment[people]] for day in days]
    shift = np.zeros(len(truth.sellers))
    for _ in range(12):
        sales, bought = np.zeros(len(shift)), 0.0
        for day, value, price in zip(days, values, prices, strict=True):
            strength = np.exp(value + shift[truth.seller]) * truth.offered[:, day]
            chance = strength / (1 + strength.sum(axis=1, keepdims=True)) * truth.rate[people][:, None]
            sales += np.bincount(truth.seller, (chance * price).sum(axis=0), len(shift))
            bought += chance.sum() / truth.rate[people].sum() / len(days)
        shift += np.log(target / np.maximum(sales / sales.sum(), 1e-9))
        shift += np.log(CONVERSION / (1 - CONVERSION)) - np.log(bought / (1 - bought))
    return dataclasses.replace(truth, quality=(truth.quality + shift[truth.seller]).astype(np.float32))


def _calibrate_baskets(truth: MarketTruth) -> MarketTruth:
    """Set the level of `complements` and `enough` so that SECOND and PARTNER come out on an average day."""
    rng = np.random.default_rng(1)
    people = rng.choice(len(truth.rate), min(1500, len(truth.rate)), replace=False).astype(np.int32)
    day = truth.days // 2
    strength = np.exp(utilities(truth, people, np.arange(len(truth.products), dtype=np.int32), day))
    strength = strength.astype(np.float64) * truth.offered[:, day]
    total = strength.sum(axis=1)
    running = np.cumsum(strength, axis=1)
    first = (running < (rng.random(len(people)) * total)[:, None]).sum(axis=1)
    orders = truth.rate[people] * total / (1 + total)  # how often each of them buys
    rest = total - strength[np.arange(len(people)), first]
    partners = truth.complements[first].multiply(strength).sum(axis=1).A1

    def misses(logs: F64) -> list[float]:
        level, enough = np.exp(logs)
        wanted = rest + level * partners
        second = orders * wanted / (wanted + enough)
        from_partners = second @ (level * partners / wanted) / second.sum()
        return [float(from_partners - PARTNER), float(second.sum() / orders.sum() - SECOND)]

    level = PARTNER / (1 - PARTNER) * rest.mean() / partners.mean()
    enough = (1 - SECOND) / SECOND * rest.mean() / (1 - PARTNER)
    level, enough = np.exp(fsolve(misses, np.log([level, enough]))).tolist()
    return dataclasses.replace(truth, complements=truth.complements * level, enough=enough)


def _click_intercept(truth: MarketTruth) -> float:
    """Intercept at which a random product of the first shelf, looked at, is clicked by CLICKS of the people."""
    everybody = np.arange(len(truth.rate), dtype=np.int32)[:500]
    appeal = truth.logging.appeal[1] * utilities(truth, everybody, truth.logging.shelf[0], 0).astype(np.float64)
    return float(brentq(lambda level: (1 / (1 + np.exp(-(level + appeal)))).mean() - CLICKS, -30.0, 30.0))


def _measure(truth: MarketTruth) -> Experiments:
    """The experiments on products offered for most of their week, with the true ratio of units."""
    ran = np.add.reduceat(truth.offered, np.arange(0, truth.days, WEEK), axis=1) > WEEK // 2  # [m, w]
    trials = truth.experiments
    keep = ran[trials.product, trials.week]
    trials = Experiments(**{f.name: getattr(trials, f.name)[keep] for f in dataclasses.fields(trials)})
    everything = np.arange(len(truth.products), dtype=np.int32)
    for week, segment in sorted(set(zip(trials.week.tolist(), trials.segment.tolist(), strict=True))):
        at = np.flatnonzero((trials.week == week) & (trials.segment == segment))
        people, weight = people_of(truth, segment)
        strength = np.exp(utilities(truth, people, everything, week * WEEK)) * ran[:, week]
        own = strength[:, trials.product[at]]
        rest = 1 + strength.sum(axis=1, keepdims=True) - own
        step = (trials.planned - trials.charged)[at]
        other = own * np.exp(-truth.price_coefficient[people][:, None] * step)
        trials.response[at] = (weight @ (own / (rest + own))) / (weight @ (other / (rest + other)))
    return trials
