"""An estimated demand system, whatever the rung: estimates, mean utilities, tastes; and the scorer made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.contract import F64, I32, Dataset
from recsys.models.demand.absorb import decompose
from recsys.models.demand.panel import Panel, require_choice
from recsys.scorers import terms
from recsys.scorers.choice import ChoiceScorer, Tastes, Utility, latest_market

RECENT = 4  # periods whose mean effect stands for the next one


@dataclass(frozen=True)
class Estimates:
    """Named numbers with their uncertainty."""

    names: tuple[str, ...]
    value: F64  # [k]
    covariance: F64  # [k, k]

    @property
    def se(self) -> F64:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    def get(self, name: str) -> tuple[float, float]:
        """(estimate, standard error)."""
        at = self.names.index(name)
        return float(self.value[at]), float(self.se[at])

    def json(self) -> list[dict[str, Any]]:
        """One row per estimate with its 95 % interval."""
        rows = zip(self.names, self.value.tolist(), self.se.tolist(), strict=True)
        return [{"name": n, "value": v, "se": s, "low": v - 1.96 * s, "high": v + 1.96 * s} for n, v, s in rows]


@dataclass(frozen=True)
class Demand:
    """A demand system on the panel it was estimated from."""

    rung: str
    panel: Panel
    linear: Estimates  # mean utility, price included
    delta: F64  # [n] mean utility of every row
    tastes: Tastes
    nonlinear: Estimates = field(default_factory=lambda: Estimates((), np.empty(0), np.empty((0, 0))))
    rho: float = 0.0
    objective: float = np.nan
    costs: F64 | None = None  # [n] marginal costs, where a supply side was estimated
    basis: F64 | None = None  # [groups, R, terms, nonlinear]: the draws' coefficients are basis @ nonlinear
    joint: F64 | None = None  # [k + nonlinear, k + nonlinear] covariance of both kinds of estimates

    @property
    def price_coefficient(self) -> tuple[float, float]:
        """(estimate, standard error) of the mean price coefficient, 0 where price enters through tastes only."""
        return self.linear.get(terms.PRICE) if terms.PRICE in self.linear.names else (0.0, 0.0)

    @property
    def covariance(self) -> F64:
        """Of (linear, nonlinear) together; blocks without a covariance between them where that is unknown."""
        if self.joint is not None:
            return self.joint
        k, p = len(self.linear.names), len(self.nonlinear.names)
        both = np.zeros((k + p, k + p))
        both[:k, :k], both[k:, k:] = self.linear.covariance, self.nonlinear.covariance
        return both

    def scorer(self, history_weight: float = 1.0) -> ChoiceScorer:
        """The numpy form: predicts any market, past or future."""
        panel = self.panel
        x = terms.design(self.linear.names, panel.columns, len(panel))
        rest = self.delta - x @ self.linear.value
        alternative, segment, period = expected_quality(panel, rest)
        utility = Utility(
            terms=self.linear.names,
            beta=self.linear.value,
            alternative=alternative,
            segment=segment,
            period=period,
            delta=self.delta,
            unknown=float(np.quantile(alternative[np.unique(panel.offers.alternative)], 0.25)),
        )
        return ChoiceScorer(panel.space, panel.offers, utility, self.tastes, self.rho, history_weight)


def expected_quality(panel: Panel, rest: F64) -> tuple[F64, F64, float]:
    """(per alternative, per segment and one more for unknown ones, of the next period) of what price and attributes
    leave of mean utility; an alternative without a row gets the lower quartile of the others."""
    effects = tuple(panel.level(name) for name in ("product", "segment", "period"))
    _, (product, segment, period) = decompose(rest, effects)
    alternative = np.full(len(panel.offers.alternatives), np.quantile(product, 0.25))
    alternative[np.unique(panel.offers.alternative)] = product
    known = np.unique(panel.segment)
    pooled = segment[0] if known[0] < 0 else 0.0  # small segments share the market of ~other
    by_segment = np.full(len(panel.space.segments) + 1, pooled)
    by_segment[known] = segment  # -1 lands on the last row, which serves unknown segments
    return alternative, by_segment, float(period[-RECENT:].mean())


def one_taste(panel: Panel) -> Tastes:
    """No random coefficient: one draw that adds nothing."""
    return tastes(panel, (), np.zeros((1, 1, 0)), np.ones((1, 1)), np.zeros(len(panel.space.markets), dtype=np.int32))


def tastes(panel: Panel, names: tuple[str, ...], value: F64, weight: F64, group: I32) -> Tastes:
    """Draws by market group; a later market of a segment uses the group of the segment's latest market."""
    latest = latest_market(np.arange(len(group), dtype=np.int32), panel.space.markets, panel.space.segments)
    return Tastes(names, value, weight, group, group[np.maximum(latest, 0)].astype(np.int32))


def panel_of(data: Dataset) -> Panel:
    """The panel of a night's dataset; raises FitError when it carries no offers, DataError when nothing is a choice."""
    from recsys.errors import FitError

    if data.offers is None or not len(data.offers.market):
        raise FitError(
            "A choice model",
            got="no offers",
            wanted="a product x market panel",
            cure="Set [markets] in recsys.toml: longer periods or fewer regions, if the order lines gave no panel.",
        )
    return require_choice(Panel(data.offers, data.space))
