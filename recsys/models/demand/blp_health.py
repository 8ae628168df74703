"""BLP's own health card: what its instruments are worth, and what other people or no bulk lines would change.

Searching again on every changed panel would take as long as the fit each time; so tastes stay what they are, and mean
utilities and their coefficients are solved for again.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import stats

from recsys.models.demand import gates
from recsys.models.demand.agents import Agents
from recsys.models.demand.blp import BlpFit, look_at
from recsys.models.demand.formulas import Formulas, linear_problem
from recsys.models.demand.gates import Card, Gate
from recsys.models.demand.health import RETAIL_PRICE, bulk_gates, mean_own, size_gates
from recsys.models.demand.ols_iv import first_stage_f, hansen_j
from recsys.models.demand.panel import Panel
from recsys.models.demand.system import Demand

Method = Literal["1s", "2s"]


def blp_health(panel: Panel, formulas: Formulas, agents: Agents, fit: BlpFit, method: Method) -> tuple[Gate, ...]:
    """First stage and over-identification, then market size and quantity discounts at the fit's tastes."""
    sigma, pi = np.diag(fit.state["sigma"]), fit.state["pi"]

    def at(changed: Panel) -> tuple[Demand, Card]:
        return look_at(changed, formulas, agents, sigma, pi, method).demand, Card()

    own = mean_own(at(panel)[0])
    bulk = bulk_gates(panel, own, at) if RETAIL_PRICE in panel.columns else ()
    return (*_of_instruments(panel, formulas, fit.demand), *size_gates(panel, own, at), *bulk)


def _of_instruments(panel: Panel, formulas: Formulas, demand: Demand) -> tuple[Gate, ...]:
    """The excluded instruments against prices, and against what the fit leaves of mean utility."""
    sold = panel.shares > 0
    problem = linear_problem(panel, formulas, demand.delta, sold).within
    if not problem.endogenous.any() or not problem.Z.shape[1]:
        return ()
    xi = problem.y - problem.X @ demand.linear.value
    j, degrees = hansen_j(problem, xi, len(demand.linear.names) + len(demand.nonlinear.names))
    p = float(stats.chi2.sf(j, degrees)) if degrees > 0 else np.nan
    return gates.of_instruments(first_stage_f(problem), p)
