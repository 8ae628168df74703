"""The market-choice track: how well probabilities explain what markets bought, in their offered sets at their prices.

Any contender can enter: a choice model with its shares, a recommender with its scores made probabilities by

    p_jt = exp(score_jt / temperature) / sum_k exp(score_kt / temperature)

with the temperature that makes a validation period likeliest. Shapes: n rows of a panel, T markets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32
from recsys.scorers.likelihood import UnitLikelihood, inside, unit_likelihood

TEMPERATURES = (1e-3, 1e3)
BINS = 10


@dataclass(frozen=True)
class MarketChoices:
    """How one contender did; arrays are per market [T], in the order of market rows."""

    likelihood: UnitLikelihood
    top_1: F64  # 1 where the likeliest alternative sold most
    ndcg_at_3: F64  # gains are shares
    ece: float

    def summary(self) -> Mapping[str, float]:
        """Means over markets; the log-likelihood per unit is over units."""
        return {
            "log_likelihood_per_unit": self.likelihood.per_unit,
            "top_1": float(self.top_1.mean()),
            "ndcg_at_3": float(self.ndcg_at_3.mean()),
            "ece": self.ece,
        }


def judge(probability: F64, units: F64, market: I32) -> MarketChoices:
    """Probabilities of all rows against the units they sold; only what is bought counts, the outside good does not."""
    p = inside(probability, market)
    share = inside(units, market)
    order = np.argsort(market, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(market[order])) + 1)
    return MarketChoices(
        likelihood=unit_likelihood(probability, units, market),
        top_1=np.array([float(share[g[p[g].argmax()]] == share[g].max()) for g in groups]),
        ndcg_at_3=np.array([_ndcg(p[g], share[g]) for g in groups]),
        ece=calibration_error(p, share, np.bincount(market, units).astype(np.float64)[market]),
    )


def from_scores(scores: F64, market: I32, temperature: float) -> F64:
    """[n] probabilities of a recommender's scores, higher is better; a score that is no number gets none."""
    known = np.isfinite(scores)
    top = np.full(int(market.max()) + 1, -np.inf)
    np.maximum.at(top, market[known], scores[known])
    strength = np.zeros(len(scores))
    strength[known] = np.exp((scores[known] - top[market[known]]) / temperature)
    return inside(strength, market)


def fit_temperature(scores: F64, units: F64, market: I32) -> float:
    """The temperature under which a validation period is likeliest; scores are used as they are."""
    from scipy.optimize import minimize_scalar

    spread = float(np.nanstd(scores[np.isfinite(scores)])) or 1.0

    def loss(log_t: float) -> float:
        return -unit_likelihood(from_scores(scores, market, spread * np.exp(log_t)), units, market).per_unit

    low, high = np.log(TEMPERATURES)
    return float(spread * np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def calibration_error(p: F64, share: F64, weight: F64) -> float:
    """Expected calibration error: mean gap between predicted and observed share over ten bins of equal weight."""
    order = np.argsort(p, kind="stable")
    place = np.cumsum(weight[order]) / weight.sum()
    of = np.minimum((place * BINS - 1e-9).astype(np.int64), BINS - 1)
    mass = np.bincount(of, weight[order], minlength=BINS)
    gap = np.bincount(of, (weight * (p - share))[order], minlength=BINS)
    return float(np.abs(gap).sum() / mass.sum())


def _ndcg(p: F64, share: F64, k: int = 3) -> float:
    discount = 1 / np.log2(np.arange(2, 2 + min(k, len(p))))
    best = np.sort(share)[::-1][: len(discount)] @ discount
    return float(share[np.argsort(-p, kind="stable")[: len(discount)]] @ discount / best) if best > 0 else 1.0
