"""Bandits that know who asks: one ridge regression per arm on the visitor's context.

n = visitors, d = context columns, k = arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32
from recsys.errors import DataError
from recsys.evaluation.bandit import with_floor


@dataclass(frozen=True)
class LinearTally:
    """Sufficient statistics of the regressions; `a + b` learns from both, where b was started with ridge 0."""

    gram: F64  # [k, d, d] ridge x identity + sum of x x'
    moment: F64  # [k, d] sum of x x outcome

    def __add__(self, other: LinearTally) -> LinearTally:
        return LinearTally(self.gram + other.gram, self.moment + other.moment)

    @classmethod
    def empty(cls, k: int, d: int, ridge: float = 1.0) -> LinearTally:
        return cls(np.tile(ridge * np.eye(d), (k, 1, 1)), np.zeros((k, d)))

    def learn(self, context: F64, arm: I32, outcome: F64) -> LinearTally:
        """Add pulls: context [n, d], arm [n], outcome [n]. Raises DataError where the context is not finite."""
        if context.shape[1] != self.moment.shape[1] or not np.isfinite(context).all():
            wanted = f"{self.moment.shape[1]} finite columns"
            raise DataError("The bandit's context", got=f"shape {context.shape}", wanted=wanted)
        gram, moment = self.gram.copy(), self.moment.copy()
        for row in np.unique(arm):
            x = context[arm == row]
            gram[row] += x.T @ x
            moment[row] += x.T @ outcome[arm == row]
        return LinearTally(gram, moment)

    def decayed(self, keep: float, ridge: float = 1.0) -> LinearTally:
        """What was learnt weighs `keep` of what it did; the ridge stays."""
        base = ridge * np.eye(self.moment.shape[1])
        return LinearTally(keep * (self.gram - base) + base, keep * self.moment)

    def predict(self, context: F64) -> tuple[F64, F64]:
        """Mean and standard deviation (of the estimate, unit noise) per visitor and arm, each [n, k]."""
        means, widths = [], []
        for gram, moment in zip(self.gram, self.moment, strict=True):
            solved = np.linalg.solve(gram, np.column_stack([moment, context.T]))
            means.append(context @ solved[:, 0])
            widths.append(np.sqrt(np.einsum("nd,dn->n", context, solved[:, 1:])))
        return np.stack(means, axis=1), np.stack(widths, axis=1)


@dataclass(frozen=True)
class LinUCB:
    """All traffic to the largest mean + width x deviation (Li, Chu, Langford & Schapire 2010), less the floor."""

    width: float = 1.0
    floor: float = 0.1

    def shares(self, tally: LinearTally, context: F64, seed: int) -> F64:
        """[n, k] chances of each arm for each visitor."""
        mean, deviation = tally.predict(context)
        index = mean + self.width * deviation
        top = index == index.max(axis=1, keepdims=True)
        return with_floor(top / top.sum(axis=1, keepdims=True), self.floor)


@dataclass(frozen=True)
class LinTS:
    """Chance of being the best under the posterior (Agrawal & Goyal 2013); `noise` is the outcome's deviation."""

    noise: float = 1.0
    floor: float = 0.1
    draws: int = 200

    def shares(self, tally: LinearTally, context: F64, seed: int) -> F64:
        """[n, k] chances of each arm for each visitor; arms are independent, so their scores can be drawn directly."""
        mean, deviation = tally.predict(context)
        rng, wins = np.random.default_rng(seed), np.zeros(mean.shape)
        for _ in range(self.draws):
            drawn = mean + self.noise * deviation * rng.standard_normal(mean.shape)
            wins[np.arange(len(wins)), drawn.argmax(axis=1)] += 1
        return with_floor(wins / self.draws, self.floor)
