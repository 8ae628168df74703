"""The ladder: from shares alone to BLP, a rung at a time, each earning its place on markets it was not fitted on.

A rung is climbed only when its gates pass and its held-out log-likelihood per unit exceeds that of the rung stood on
by more than the standard error of the gain over markets. What was not climbed is reported with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsys.contract import F64, Flags
from recsys.errors import EmptyError, FitError, RecsysError
from recsys.models.demand.gates import Card
from recsys.models.demand.panel import Panel
from recsys.models.demand.system import Demand
from recsys.scorers.likelihood import UnitLikelihood, predicted, unit_likelihood

Fit = Callable[[Panel], tuple[Demand, Card]]
HELD_OUT = 0.2  # of the periods, the latest; of the markets where there is one period


@dataclass(frozen=True)
class Rung:
    """How one rung did."""

    name: str
    log_likelihood: float | None  # held out, per unit bought
    gain: float | None  # over the rung stood on
    se: float | None  # of the gain
    climbed: bool
    words: str

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Climb:
    """The rung that was reached, fitted on everything, and how."""

    demand: Demand
    card: Card
    rungs: tuple[Rung, ...]


def climb(panel: Panel, fits: Mapping[str, Fit], tell: Callable[[str], None] = lambda _: None) -> Climb:
    """Climb the given rungs in order; raises FitError when not even the first passes its gates."""
    late = held_out(panel)
    train, test = panel.take(~late), panel.take(late)
    stood, best, rungs = popularity(train, test), "", [_shares_alone(train, test)]
    for name, fit in fits.items():
        tell(f"{name}: fitting on {len(np.unique(train.offers.market))} markets")
        rung, likelihood = _try(name, fit, train, test, stood)
        tell(f"{name}: {rung.words}")
        rungs.append(rung)
        if rung.climbed and likelihood is not None:
            stood, best = likelihood, name
    if not best:
        words = "; ".join(f"{r.name}: {r.words}" for r in rungs[1:])
        raise FitError("No rung of the demand ladder holds", got=words, cure="See the data report for what it lacks.")
    tell(f"{best}: fitting on all {len(np.unique(panel.offers.market))} markets")
    demand, card = fits[best](panel)
    return Climb(demand, card, tuple(rungs))


def held_out(panel: Panel) -> Flags:
    """[n] rows of the latest fifth of the periods; raises EmptyError with fewer than five markets."""
    o = panel.offers
    names = [str(m) for m in panel.space.markets.ids]
    dated = all("@" in name for name in names)
    markets = np.unique(o.market)
    if len(markets) < 5:
        raise EmptyError("The ladder", got=f"{len(markets)} markets", wanted="at least 5 to hold some out",
                         cure="Use shorter periods or more regions, or fit one rung by name.")  # fmt: skip
    if dated and len(np.unique(panel.period)) >= 5:
        periods = np.unique(panel.period)
        return np.asarray(panel.period >= periods[-max(1, round(HELD_OUT * len(periods)))])
    drawn = np.random.default_rng(0).permutation(markets)[: max(1, round(HELD_OUT * len(markets)))]
    return np.isin(o.market, drawn)


def popularity(train: Panel, test: Panel) -> UnitLikelihood:
    """The ground: every market buys what all markets bought, of what it offers."""
    size = len(train.offers.alternatives)
    share = np.bincount(train.offers.alternative, units_of(train), minlength=size).astype(np.float64) + 0.5
    return unit_likelihood(share[test.offers.alternative], units_of(test), test.offers.market)


def units_of(panel: Panel) -> F64:
    """[n] units sold: shares times market size."""
    return np.asarray(panel.shares * panel.offers.size[panel.offers.market])


def judge(demand: Demand, test: Panel) -> UnitLikelihood:
    """Likelihood of what held-out markets bought, in their offered sets at their prices."""
    of = np.full(len(test.space.markets), -1)
    of[test.offers.market] = test.segment
    p = predicted(demand.scorer(), test.offers, of)
    return unit_likelihood(p, units_of(test), test.offers.market)


def _shares_alone(train: Panel, test: Panel) -> Rung:
    per_unit = popularity(train, test).per_unit
    return Rung("shares", per_unit, None, None, True, f"log-likelihood {per_unit:.4f} per unit: the ground")


def _try(name: str, fit: Fit, train: Panel, test: Panel, stood: UnitLikelihood) -> tuple[Rung, UnitLikelihood | None]:
    try:
        demand, card = fit(train)
    except RecsysError as error:
        return Rung(name, None, None, None, False, f"failed: {error}"), None
    if not card.eligible:
        return Rung(name, None, None, None, False, f"refused by its gates: {card.sentence()}"), None
    likelihood = judge(demand, test)
    gain, se = likelihood.gain_over(stood)
    climbed = gain > se
    words = f"log-likelihood {likelihood.per_unit:.4f} per unit, gain {gain:+.4f} (standard error {se:.4f})"
    words += ": climbed" if climbed else ": not above its standard error, stayed"
    return Rung(name, likelihood.per_unit, gain, se, climbed, words), likelihood
