"""Nested logit: products of a nest stand in for one another more than for the rest.

    log s_jt - log s_0t = beta . x_jt - alpha p_jt + rho log s_{j|g,t} + effects + xi_jt        (Berry 1994, eq. 28)

The share within the nest moves with xi: it is instrumented by the log number of products in the nest and by whatever
else the panel has. rho must lie between 0 (plain logit) and 1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from recsys.contract import F64, I32, Flags
from recsys.data.instruments import nest_counts
from recsys.errors import DataError
from recsys.models.demand import gates
from recsys.models.demand.formulas import Formulas, linear_problem
from recsys.models.demand.gates import Card
from recsys.models.demand.ols_iv import Linear, gmm, two_stage
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import fill_unsold, inverted, own_elasticities
from recsys.models.demand.system import Demand, Estimates, one_taste

RHO = "rho"


def fit_nested(
    panel: Panel, formulas: Formulas, method: Literal["2sls", "gmm"] = "2sls", ridge: float = 0.0
) -> tuple[Demand, Card]:
    """The demand system and its gates; raises DataError when the panel has no nests worth the name."""
    nests = _nests(panel)
    sold = panel.shares > 0
    y = inverted(panel)
    problem = _with_nest_share(linear_problem(panel, formulas, y, sold, ridge), panel, sold, nests)
    fit = (two_stage if method == "2sls" else gmm)(problem)
    k = len(formulas.linear)
    rho = float(fit.beta[k])
    delta = y - rho * np.where(sold, _log_within(panel, nests), 0.0)
    demand = Demand(
        rung=f"nested logit ({method})",
        panel=panel,
        linear=Estimates(fit.names[:k], fit.beta[:k], fit.covariance[:k, :k]),
        delta=fill_unsold(panel, delta, sold, fit.names[:k], fit.beta[:k]),
        tastes=one_taste(panel),
        nonlinear=Estimates((RHO,), fit.beta[k:], fit.covariance[k:, k:]),
        rho=rho if 0 < rho < 1 else 0.0,
        objective=fit.objective,
        joint=fit.covariance,
    )
    card = Card(gates.of_nesting(rho)).joined(gates.of_elasticities(own_elasticities(demand)[sold]))
    card = card.joined(gates.of_covariance(fit.covariance))
    return demand, card.joined(gates.of_instruments(fit.first_stage, fit.j_p_value))


def _nests(panel: Panel) -> I32:
    nests = panel.offers.nests
    if nests is None or len(np.unique(nests)) < 2:
        raise DataError(
            "Nested logit",
            got="no nests" if nests is None else "one nest for all products",
            wanted="at least two nests",
            cure="Give nesting_ids (the category is a good one), or use the logit family.",
        )
    return nests


def _pairs(panel: Panel, nests: I32) -> I32:
    key = panel.offers.market.astype(np.int64) * (int(nests.max()) + 1) + nests
    pairs: I32 = np.unique(key, return_inverse=True)[1]
    return pairs


def _log_within(panel: Panel, nests: I32) -> F64:
    """log s_{j|g,t}, [n]; -inf where nothing was sold."""
    pair = _pairs(panel, nests)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(panel.shares / np.bincount(pair, panel.shares)[pair]))


def _with_nest_share(problem: Linear, panel: Panel, sold: Flags, nests: I32) -> Linear:
    within = _log_within(panel, nests)[sold]
    counts = nest_counts(nests, panel.offers.market)
    return replace(
        problem,
        X=np.column_stack([problem.X, within]),
        names=(*problem.names, RHO),
        endogenous=np.append(problem.endogenous, True),
        Z=np.column_stack([problem.Z, counts.values[sold]]),
        instrument_names=problem.instrument_names + counts.names,
    )
