"""Bandits: from what is known of each arm to the share of traffic each arm gets next.

An arm is a product or a whole contender. A policy maps a `Tally` to shares, and shares are the propensities of the
next batch, so a night of bandit traffic is an exposure log like any other. k = arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recsys.contract import F64, I32, Flags
from recsys.errors import ConfigError, DataError
from recsys.evaluation.exposures import Exposures
from recsys.evaluation.offpolicy import Estimate, replay
from recsys.ranking.assign import Allocation


@dataclass(frozen=True)
class Tally:
    """Pulls, outcome totals and totals of squares per arm, each [k]; decayed pulls need not be whole."""

    n: F64
    total: F64
    squares: F64

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def decayed(self, keep: float) -> Tally:
        """Everything weighs `keep` of what it did: old days count less where the world drifts."""
        return Tally(self.n * keep, self.total * keep, self.squares * keep)

    def means(self) -> F64:
        """Mean outcome per arm [k], NaN where it was never pulled."""
        return np.asarray(np.divide(self.total, self.n, out=np.full(len(self.n), np.nan), where=self.n > 0))

    def of_arms(self, arms: Flags) -> Tally:
        """What is known of the flagged arms alone."""
        return Tally(self.n[arms], self.total[arms], self.squares[arms])

    @classmethod
    def empty(cls, k: int) -> Tally:
        return cls(np.zeros(k), np.zeros(k), np.zeros(k))

    @classmethod
    def of(cls, arm: I32, outcome: F64, k: int, weight: F64 | None = None) -> Tally:
        """Add up pulls: arm [n] rows, outcome [n], weight [n] (default 1)."""
        w = np.ones(len(arm)) if weight is None else weight
        sums = (np.bincount(arm, weights=x, minlength=k).astype(np.float64) for x in (w, w * outcome, w * outcome**2))
        return cls(*sums)


class Policy(Protocol):
    """shares(tally, seed) -> [k] >= floor / k, summing to 1: the chance of each arm for the next batch."""

    def shares(self, tally: Tally, seed: int) -> F64: ...


@dataclass(frozen=True)
class EqualSplit:
    """Every arm alike: the A/B test, and the bar for every bandit."""

    def shares(self, tally: Tally, seed: int) -> F64:
        return np.full(len(tally.n), 1 / len(tally.n))


@dataclass(frozen=True)
class EpsilonGreedy:
    """The best mean so far, and epsilon of the traffic for everybody; arms never pulled come first."""

    epsilon: float = 0.1

    def shares(self, tally: Tally, seed: int) -> F64:
        return with_floor(_best(np.where(tally.n > 0, tally.means(), np.inf)), self.epsilon)


@dataclass(frozen=True)
class UCB1:
    """Mean + scale x sqrt(2 ln n / n_k) (Auer, Cesa-Bianchi & Fischer 2002); `scale` is the range of the outcome."""

    scale: float = 1.0
    floor: float = 0.1

    def shares(self, tally: Tally, seed: int) -> F64:
        pulls = np.maximum(tally.n, 1e-12)
        bonus = self.scale * np.sqrt(2 * np.log(max(float(tally.n.sum()), 1.0)) / pulls)
        return with_floor(_best(np.where(tally.n > 0, np.nan_to_num(tally.means()) + bonus, np.inf)), self.floor)


@dataclass(frozen=True)
class BetaThompson:
    """Thompson sampling of outcomes that are 0 or 1: an arm's share is the probability that it is the best.

    Beta(alpha + successes, beta + failures), `draws` Monte Carlo draws. Raises DataError for outcomes that cannot be
    0 or 1. A floor of 10 to 20 % keeps propensities high enough for off-policy estimates and A/B intervals.
    """

    alpha: float = 1.0
    beta: float = 1.0
    floor: float = 0.1
    draws: int = 2000

    def shares(self, tally: Tally, seed: int) -> F64:
        if (tally.total > tally.n * (1 + 1e-9)).any() or (tally.total < 0).any():
            raise DataError("BetaThompson", got="outcomes beyond 0 and 1", wanted="clicks or conversions", cure=_MONEY)
        rng = np.random.default_rng(seed)
        failures = np.maximum(tally.n - tally.total, 0)
        drawn = rng.beta(self.alpha + tally.total, self.beta + failures, size=(self.draws, len(tally.n)))
        return with_floor(_wins(drawn), self.floor)


_MONEY = "Use GaussianThompson for revenue."


@dataclass(frozen=True)
class GaussianThompson:
    """Thompson sampling of revenue: normal outcomes of unknown mean and variance.

    Normal-inverse-gamma posterior whose prior is one pseudo-pull of the pooled mean and variance (Murphy 2007, sec. 6).
    """

    floor: float = 0.1
    draws: int = 2000

    def shares(self, tally: Tally, seed: int) -> F64:
        if tally.n.sum() == 0:
            return np.full(len(tally.n), 1 / len(tally.n))
        rng, size = np.random.default_rng(seed), (self.draws, len(tally.n))
        pooled = tally.total.sum() / tally.n.sum()
        spread = max(float(tally.squares.sum() / tally.n.sum() - pooled**2), 1e-12)
        own = np.where(tally.n > 0, tally.means(), pooled)
        within = np.maximum(tally.squares - tally.n * own**2, 0)
        kappa, shape = 1 + tally.n, 1 + tally.n / 2
        centre = (pooled + tally.total) / kappa
        rate = spread + within / 2 + tally.n * (own - pooled) ** 2 / (2 * kappa)
        variance = rate / rng.gamma(shape, size=size)
        return with_floor(_wins(rng.normal(centre, np.sqrt(variance / kappa))), self.floor)


@dataclass(frozen=True)
class Newcomers:
    """A policy among the arms somebody has met; one that nobody has gets an even share of the traffic.

    Most policies give an arm they know nothing of nearly everything; where it cannot be shown, nothing is ever learnt.
    """

    policy: Policy

    def shares(self, tally: Tally, seed: int) -> F64:
        met = tally.n > 0
        shares = np.full(len(met), 1 / len(met))
        if met.any():
            shares[met] *= met.sum() * self.policy.shares(tally.of_arms(met), seed)
        return shares


def with_floor(shares: F64, floor: float) -> F64:
    """(1 - floor) x shares + floor x uniform over the last axis. Raises ConfigError for a floor outside [0, 1]."""
    if not 0 <= floor <= 1:
        raise ConfigError("Bandit: exploration floor", got=floor, wanted="a share in [0, 1]")
    return np.asarray((1 - floor) * shares + floor / shares.shape[-1])


def allocate(
    policy: Policy,
    arms: Sequence[str],
    shared: Tally,
    sellers: Mapping[str, Tally] | None = None,
    enough: float = 1000.0,
    seed: int = 0,
) -> Allocation:
    """Tonight's traffic: shares of the shared tally; a seller's own where each arm anybody met has `enough` pulls."""
    met = shared.n > 0
    own = {
        seller: _tuple(policy.shares(tally, seed + 1 + i))
        for i, (seller, tally) in enumerate(sorted((sellers or {}).items()))
        if met.any() and tally.n[met].min() >= enough
    }
    return Allocation(tuple(arms), _tuple(policy.shares(shared, seed)), sellers=own)


def replay_policy(log: Exposures, policy: Policy, batch: int = 1000, seed: int = 0) -> Estimate:
    """What a learning policy would have earned on a uniformly random log (Li et al. 2011).

    Rows come in order of time; the policy draws an arm for each and keeps those where the log agrees, learning from
    them between batches. Refused, as `replay` is, on any other log.
    """
    rng, k = np.random.default_rng(seed), len(log.arms)
    order = np.argsort(log.time, kind="stable")
    tally, chosen = Tally.empty(k), np.empty(len(log), dtype=np.int64)
    for number, start in enumerate(range(0, len(log), batch)):
        rows = order[start : start + batch]
        chosen[rows] = rng.choice(k, len(rows), p=policy.shares(tally, seed + number))
        kept = rows[chosen[rows] == log.arm[rows]]
        tally = tally + Tally.of(log.arm[kept], log.outcome[kept], k)
    return replay(log, chosen)


def _best(index: F64) -> F64:
    """All traffic to the largest, shared by ties."""
    top = index == index.max()
    return np.asarray(top / top.sum())


def _wins(drawn: F64) -> F64:
    """Share of draws [draws, k] that each arm wins."""
    return np.bincount(drawn.argmax(axis=1), minlength=drawn.shape[1]) / len(drawn)


def _tuple(shares: F64) -> tuple[float, ...]:
    """Shares rounded to 1e-6 that still add up to 1 exactly enough for an `Allocation`."""
    rounded = np.round(shares, 6)
    rounded[rounded.argmax()] += 1 - rounded.sum()
    return tuple(float(s) for s in rounded)
