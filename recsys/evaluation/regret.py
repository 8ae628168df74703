"""What choosing costs while learning: bandits on simulated arms whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32
from recsys.errors import ConfigError
from recsys.evaluation.bandit import Policy, Tally
from recsys.evaluation.significance import Interval, customer_interval


@dataclass(frozen=True)
class World:
    """Arms with known conversion, visited in daily batches."""

    rates: F64  # [days, k] true conversion; rows differ where the world drifts
    visitors: int  # a day
    delay: int = 0  # days until a day's conversions are known

    def __post_init__(self) -> None:
        if self.rates.ndim != 2 or not ((self.rates >= 0) & (self.rates <= 1)).all():
            raise ConfigError("Bandit world: rates", got=f"shape {self.rates.shape}", wanted="[days, arms] in [0, 1]")


@dataclass(frozen=True)
class Regret:
    """Runs of one policy in one world; r = runs."""

    lost: F64  # [r, days] conversions lost so far against always playing the day's best arm
    shares: F64  # [days, k] mean share of traffic
    picked: I32  # [r] arm with the best mean at the end
    best: int  # the best arm on the last day

    def curve(self, level: float = 0.95, seed: int = 0) -> tuple[Interval, ...]:
        """Mean conversions lost up to each day, with a bootstrap interval over runs."""
        return tuple(customer_interval(day, level, 1000, seed) for day in self.lost.T)

    @property
    def found(self) -> float:
        """Share of runs that end with the best arm on top."""
        return float((self.picked == self.best).mean())


def simulate(policy: Policy, world: World, runs: int, seed: int, keep: float = 1.0) -> Regret:
    """Play a policy `runs` times; each morning the tally first decays to `keep` of its weight."""
    days, k = world.rates.shape
    lost, shares = np.zeros((runs, days)), np.zeros((days, k))
    picked = np.zeros(runs, dtype=np.int32)
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        tally, waiting = Tally.empty(k), [Tally.empty(k)] * world.delay
        for day, rates in enumerate(world.rates):
            share = policy.shares(tally, int(rng.integers(2**31)))
            pulls = rng.multinomial(world.visitors, share)
            wins = rng.binomial(pulls, rates).astype(np.float64)
            waiting.append(Tally(pulls.astype(np.float64), wins, wins))
            tally = tally.decayed(keep) + waiting.pop(0)
            lost[run, day] = world.visitors * (rates.max() - share @ rates)
            shares[day] += share / runs
        picked[run] = int(np.argmax(np.nan_to_num(tally.means(), nan=-1.0)))
    return Regret(lost.cumsum(axis=1), shares, picked, int(world.rates[-1].argmax()))
