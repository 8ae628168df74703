"""How likely what sold was: log-likelihood of units under predicted probabilities, market by market.

Shapes: n rows of a product x market panel, T markets that occur in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, Offers
from recsys.scorers.choice import ChoiceScorer

FLOOR = 1e-12  # a product called impossible that sold costs this much, not infinity


@dataclass(frozen=True)
class UnitLikelihood:
    """Per market: total log-likelihood of its units, and the units."""

    log_likelihood: F64  # [T]
    units: F64  # [T]

    @property
    def per_unit(self) -> float:
        return float(self.log_likelihood.sum() / self.units.sum())

    def gain_over(self, other: UnitLikelihood) -> tuple[float, float]:
        """(gain per unit, its standard error over markets), paired on the same markets."""
        difference = self.log_likelihood - other.log_likelihood
        mean = float(difference.sum() / self.units.sum())
        residual = difference - mean * self.units
        n = len(residual)
        return mean, float(np.sqrt((residual**2).sum() * n / max(n - 1, 1)) / self.units.sum())


def inside(probability: F64, market: I32) -> F64:
    """[n] probabilities given that something was bought: they sum to 1 in each market."""
    total = np.bincount(market, probability)[market]
    return np.asarray(np.where(total > 0, probability / np.where(total > 0, total, 1.0), 0.0))


def unit_likelihood(probability: F64, units: F64, market: I32) -> UnitLikelihood:
    """Likelihood of the units given that something was bought; rows of a market need not be neighbours."""
    of = np.unique(market, return_inverse=True)[1]
    given = np.maximum(inside(probability, market), FLOOR)
    total = np.bincount(of, units * np.log(given)).astype(np.float64)
    return UnitLikelihood(total, np.bincount(of, units).astype(np.float64))


def predicted(scorer: ChoiceScorer, offers: Offers, segment: I32) -> F64:
    """[n] predicted shares of every row of offers made after the fit; segment [markets], -1 unknown."""
    shares = np.zeros(len(offers.market))
    for market in np.unique(offers.market):
        rows = scorer.rows_of(int(market), offers)
        shares[rows] = scorer.market(int(market), offers, int(segment[market])).shares()
    return shares
