"""Multinomial logit by maximum likelihood with a control function: the rung that survives zero shares.

    stage 1   p_jt = z_jt pi + x_jt gamma + effects + v_jt                      least squares
    stage 2   u_jt = beta . x_jt - alpha p_jt + lambda v_jt + effects,  u_0t = 0
              max  sum_t [ sum_j q_jt u_jt - M_t log(1 + sum_j exp u_jt) ]      Newton

A unit not sold is a count of 0, not a missing row (Petrin and Train 2010 for the control function). v carries the
part of the demand shock the seller saw when he set the price. Standard errors: bootstrap over whole markets, both
stages. A `market` effect is concentrated out: the sum then runs over what was bought, without the outside good.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from recsys.contract import F64, I32, Flags, Run
from recsys.errors import FitError
from recsys.models.demand import gates
from recsys.models.demand.absorb import residualise
from recsys.models.demand.formulas import Formulas, endogenous, instruments, linear_problem
from recsys.models.demand.gates import Card, Optimum
from recsys.models.demand.ols_iv import first_stage_f
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import own_elasticities
from recsys.models.demand.system import Demand, Estimates, one_taste
from recsys.scorers import terms

MAX_NEWTON = 200
LEAST_DAMPING = 1e-9
ENOUGH = 1e-12  # Newton decrement per person
CONTROL = "control "


@dataclass(frozen=True)
class Counts:
    """Who bought what: n rows in T markets; `outside` is [T] people who bought nothing, None when left out."""

    market: I32  # [n] 0..T-1
    units: F64  # [n]
    outside: F64 | None


@dataclass(frozen=True)
class Maximum:
    """The likelihood's maximum and its slope there."""

    theta: F64
    gradient: F64
    information: F64  # [K, K] minus the Hessian
    log_likelihood: float
    converged: bool


def fit_mnl(panel: Panel, formulas: Formulas, run: Run, draws: int = 50, control: bool = True) -> tuple[Demand, Card]:
    """The demand system and its gates. `control=False` is the naive value that takes prices as given."""
    counts, names = counts_of(panel, formulas), formulas.linear
    control = control and bool(instruments(panel, formulas).shape[1]) and bool(endogenous(names).any())
    x = terms.design(names, panel.columns, len(panel))
    sold = _ever_sold(panel)
    dummies = _dummies(panel, formulas, sold)
    columns = np.column_stack([x, first_stage(panel, formulas, x)]) if control else x
    fit = maximise(_stack(columns, dummies)[sold], _only(counts, sold))
    k = columns.shape[1]
    spread = _bootstrap(panel, formulas, (x, fit, dummies), run, draws if control else 0)
    labels = names + tuple(CONTROL + n for n, e in zip(names, endogenous(names), strict=True) if e and control)
    demand = Demand(
        rung="multinomial logit" + (", control function" if control else ", prices as given"),
        panel=panel,
        linear=Estimates(names, fit.theta[: len(names)], spread[: len(names), : len(names)]),
        delta=_mean_utility(columns, dummies, fit.theta, sold),
        tastes=one_taste(panel),
        nonlinear=Estimates(labels[len(names) :], fit.theta[len(names) : k], spread[len(names) : k, len(names) : k]),
        objective=fit.log_likelihood,
    )
    card = Card(_gates(demand, fit, panel, formulas, control))
    if control and draws and terms.PRICE in names:
        naive = maximise(_stack(x, dummies)[sold], _only(counts, sold)).theta[names.index(terms.PRICE)]
        card = card.joined(gates.of_naive(demand.price_coefficient[0], float(naive)))
    return demand, card


def counts_of(panel: Panel, formulas: Formulas) -> Counts:
    """Units sold and people who bought nothing; shares times the market size."""
    size = panel.offers.size
    units = panel.shares * size[panel.offers.market]
    if "market" in formulas.effects:
        return Counts(panel.offers.market, units, None)
    return Counts(panel.offers.market, units, size - np.bincount(panel.offers.market, units, minlength=len(size)))


def first_stage(panel: Panel, formulas: Formulas, x: F64, weight: F64 | None = None) -> F64:
    """[n, endogenous] residuals of the price terms on instruments, exogenous terms and effects."""
    moved = endogenous(formulas.linear)
    problem = linear_problem(panel, formulas, np.zeros(len(panel)), np.ones(len(panel), dtype=bool))
    flat = residualise(np.column_stack([x, problem.Z]), panel.effects(formulas.effects), weight)
    k = x.shape[1]
    Z = np.column_stack([flat[:, :k][:, ~moved], flat[:, k:]])
    root = np.ones(len(panel)) if weight is None else np.sqrt(weight)
    slope = np.linalg.lstsq(Z * root[:, None], flat[:, :k][:, moved] * root[:, None], rcond=None)[0]
    return np.asarray(flat[:, :k][:, moved] - Z @ slope)


def maximise(X: Any, counts: Counts, start: F64 | None = None) -> Maximum:
    """Newton, damped while a step does not climb (Levenberg 1944); X is [n, K], sparse or dense."""
    X = sparse.csr_matrix(X)
    theta = np.zeros(X.shape[1]) if start is None else start.copy()
    total = float(counts.units.sum() + (0 if counts.outside is None else counts.outside.sum()))
    value, gradient, information = _likelihood(X, counts, theta)
    damping = LEAST_DAMPING
    for _ in range(MAX_NEWTON):
        step = _climb(information, gradient, damping)
        tried = _likelihood(X, counts, theta + step)
        if damping == LEAST_DAMPING and float(gradient @ step) <= ENOUGH * total:
            return Maximum(theta + step, tried[1], tried[2], tried[0], True)
        if tried[0] > value:
            theta, (value, gradient, information) = theta + step, tried
            damping = max(damping / 100, LEAST_DAMPING)
        else:
            damping = max(damping * 10, 1e-3)
    return Maximum(theta, gradient, information, value, False)


def _climb(information: F64, gradient: F64, damping: float) -> F64:
    """The damped Newton step in units of each column's own curvature; the least damping keeps twin columns apart."""
    diagonal = np.diag(information)
    unit = 1 / np.sqrt(np.maximum(diagonal, 1e-12 * max(float(diagonal.max(initial=0.0)), 1e-300)))
    scaled = information * unit[:, None] * unit[None, :] + damping * np.eye(len(unit))
    return np.asarray(unit * linalg.solve(scaled, gradient * unit, assume_a="sym"))


def _likelihood(X: Any, counts: Counts, theta: F64) -> tuple[float, F64, F64]:
    """(log-likelihood, gradient [K], information [K, K])."""
    u = X @ theta
    T = int(counts.market.max()) + 1
    top = np.zeros(T) if counts.outside is not None else np.full(T, -np.inf)
    np.maximum.at(top, counts.market, u)
    strength = np.exp(u - top[counts.market])
    bottom = np.bincount(counts.market, strength, minlength=T).astype(np.float64)
    bought = np.bincount(counts.market, counts.units, minlength=T).astype(np.float64)
    if counts.outside is not None:
        bottom = bottom + np.exp(-top)
        bought = bought + counts.outside[:T]
    share = strength / np.maximum(bottom, 1e-300)[counts.market]
    seen = bought > 0
    log_bottom = np.where(seen, top + np.log(np.where(seen, bottom, 1.0)), 0.0)
    expected = bought[counts.market] * share
    member: Any = sparse.csr_matrix((share, (counts.market, np.arange(len(u)))), shape=(T, len(u)))
    mean = member @ X
    information = (X.T @ X.multiply(expected[:, None]) - mean.T @ mean.multiply(bought[:, None])).toarray()
    return float(counts.units @ u - bought @ log_bottom), X.T @ (counts.units - expected), information


def _bootstrap(panel: Panel, formulas: Formulas, fitted: tuple[F64, Maximum, Any], run: Run, draws: int) -> F64:
    """Covariance of the leading columns over resampled markets; without draws, the inverse information."""
    x, fit, dummies = fitted
    k = x.shape[1] + int(endogenous(formulas.linear).sum())
    if not draws:
        return np.asarray(np.linalg.pinv(fit.information, hermitian=True)[:k, :k])
    rng = np.random.default_rng(run.seed)
    counts = counts_of(panel, formulas)
    markets, of = np.unique(panel.offers.market, return_inverse=True)
    found = []
    for draw in range(draws):
        if run.deadline is not None and time.monotonic() > run.deadline:
            raise FitError("Multinomial logit", got=f"the deadline after {draw} of {draws} bootstrap draws")
        times = np.bincount(rng.integers(0, len(markets), len(markets)), minlength=len(markets)).astype(np.float64)
        weight = times[of]
        sold = (weight > 0) & _ever_sold(panel, weight)
        everywhere = np.zeros(len(panel.offers.size))
        everywhere[markets] = times
        outside = None if counts.outside is None else counts.outside * everywhere
        again = Counts(counts.market, counts.units * weight, outside)
        columns = np.column_stack([x, first_stage(panel, formulas, x, weight)])
        found.append(maximise(_stack(columns, dummies)[sold], _only(again, sold), fit.theta).theta[:k])
    return np.atleast_2d(np.cov(np.array(found).T))


def _ever_sold(panel: Panel, weight: F64 | None = None) -> Flags:
    """[n] rows of alternatives that sold at least one unit: the others have no finite effect."""
    share = panel.shares if weight is None else panel.shares * weight
    return np.bincount(panel.offers.alternative, share)[panel.offers.alternative] > 0


def _dummies(panel: Panel, formulas: Formulas, sold: Flags) -> Any:
    """[n, levels] sparse dummies of every effect; the first level of all but the first effect is left out."""
    parts = []
    for i, name in enumerate(n for n in formulas.effects if n != "market"):
        level = panel.level(name)
        table = sparse.csr_matrix((np.ones(len(level)), (np.arange(len(level)), level)))
        parts.append(table[:, 1:] if i or "market" in formulas.effects else table)
    return sparse.hstack(parts, format="csr") if parts else sparse.csr_matrix((len(panel), 0))


def _stack(columns: F64, dummies: Any) -> Any:
    return sparse.hstack([sparse.csr_matrix(columns), dummies], format="csr")


def _only(counts: Counts, rows: Flags) -> Counts:
    return Counts(counts.market[rows], counts.units[rows], counts.outside)


def _mean_utility(columns: F64, dummies: Any, theta: F64, sold: Flags) -> F64:
    """delta [n]; what never sold is worth no more than the least of what did."""
    k = columns.shape[1]
    quality = dummies @ theta[k:]
    return np.asarray(columns @ theta[:k] + np.where(sold, quality, quality[sold].min(initial=0.0)))


def _gates(demand: Demand, fit: Maximum, panel: Panel, formulas: Formulas, control: bool) -> tuple[gates.Gate, ...]:
    scale = max(float(panel.shares.sum()), 1.0) * np.mean(panel.offers.size)
    slope = fit.gradient / scale
    live = np.diag(fit.information) > 1e-9 * np.diag(fit.information).max()
    curvature = fit.information[np.ix_(live, live)] / scale
    optimum = Optimum(fit.converged, slope, slope, curvature, 0, 0, -fit.log_likelihood, "maximum likelihood")
    if control:
        rows = np.ones(len(panel), dtype=bool)
        strength = first_stage_f(linear_problem(panel, formulas, np.zeros(len(panel)), rows).within)
        moved = gates.of_instruments(strength, np.nan)
    else:
        moved = gates.without_instruments()
    return (
        *gates.of_optimum(optimum),
        *gates.of_covariance(demand.linear.covariance),
        *gates.of_elasticities(own_elasticities(demand)),
        *moved,
    )
