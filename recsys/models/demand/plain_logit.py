"""Plain logit from a panel: inverted shares on price, attributes and absorbed effects (Berry 1994)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from recsys.contract import F64, Flags
from recsys.errors import ConfigError, FitError
from recsys.models.demand import gates
from recsys.models.demand.formulas import Formulas, linear_problem
from recsys.models.demand.gates import Card
from recsys.models.demand.ols_iv import LinearFit, gmm, ols, two_stage
from recsys.models.demand.panel import Panel
from recsys.models.demand.system import Demand, Estimates, expected_quality, one_taste
from recsys.scorers import terms

Method = Literal["ols", "2sls", "gmm"]
_SOLVE = {"ols": ols, "2sls": two_stage, "gmm": gmm}


def fit_logit(panel: Panel, formulas: Formulas, method: Method = "2sls", ridge: float = 0.0) -> tuple[Demand, Card]:
    """The demand system and its gates. Rows with share 0 have no inverted share: they are left out of the
    regression, and their mean utility is the expected one."""
    if terms.PRICE not in formulas.linear:
        raise ConfigError("utility", got=repr(formulas.utility), wanted="a formula with `prices`")
    sold = panel.shares > 0
    y = inverted(panel)
    fit = _SOLVE[method](linear_problem(panel, formulas, y, sold, ridge))
    demand = Demand(
        rung=f"logit ({method})",
        panel=panel,
        linear=Estimates(fit.names, fit.beta, fit.covariance),
        delta=fill_unsold(panel, y, sold, fit.names, fit.beta),
        tastes=one_taste(panel),
        objective=fit.objective,
    )
    without = _without_effects(panel, formulas, y, sold, method, fit)
    return demand, Card(_gates(demand, fit, sold)).joined(without)


def inverted(panel: Panel) -> F64:
    """log s_jt - log s_0t, [n]; -inf where nothing was sold."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(panel.shares) - np.log(panel.outside))


def fill_unsold(panel: Panel, delta: F64, sold: Flags, names: tuple[str, ...], beta: F64) -> F64:
    """Mean utilities with the expected one where nothing was sold."""
    if sold.all():
        return delta
    x = terms.design(names, panel.columns, len(panel))
    rest = np.where(sold, delta, 0.0) - x @ beta
    product, segment, period = expected_quality(panel.take(sold), rest[sold])
    quality = product[panel.offers.alternative] + segment[panel.segment] + period
    return np.where(sold, delta, x @ beta + quality)


def own_elasticities(demand: Demand) -> F64:
    """[n] own-price elasticity of every row, at the model's shares."""
    scorer = demand.scorer()
    own = np.empty(len(demand.panel))
    for market in np.unique(demand.panel.offers.market):
        rows = scorer.rows_of(int(market))
        own[rows] = scorer.market(int(market)).own_elasticities()
    return own


def _without_effects(
    panel: Panel, formulas: Formulas, y: F64, sold: Flags, method: Method, fit: LinearFit
) -> tuple[gates.Gate, ...]:
    """What the elasticity would read had no effect been absorbed; in plain logit it is in proportion to alpha."""
    if not formulas.effects:
        return ()
    utility = "1+" + "+".join(formulas.linear)
    try:
        pooled = _SOLVE[method](linear_problem(panel, replace(formulas, utility=utility, effects=()), y, sold))
    except FitError:
        return ()  # the shop asked for a fit with effects, and that one ran
    return gates.of_effects(fit.coefficient(terms.PRICE)[0], pooled.coefficient(terms.PRICE)[0])


def _gates(demand: Demand, fit: LinearFit, sold: Flags) -> tuple[gates.Gate, ...]:
    return (
        *gates.of_elasticities(own_elasticities(demand)[sold]),
        *gates.of_covariance(fit.covariance),
        *gates.of_instruments(fit.first_stage, fit.j_p_value),
    )
