"""The bridge to pyblp: a panel and formulas become its problem, its results become our values.

pyblp is imported here, inside functions, and nowhere else. Columns are renamed (c0, c1, ...) so that any name a shop
uses is a legal one; its exceptions become FitError.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.contract import F64, Run
from recsys.errors import FitError
from recsys.models.demand.agents import Agents
from recsys.models.demand.formulas import Formulas, instruments
from recsys.models.demand.gates import Optimum
from recsys.models.demand.panel import Panel
from recsys.scorers import terms

CONTRACTION = 1e-14
COSTS_FLOOR = 0.001


@dataclass(eq=False)  # pyblp looks its routine up in a set
class Search:
    """BFGS with a memory: what pyblp calls to minimise, and what tomorrow starts from."""

    run: Run
    gtol: float
    inverse_hessian: F64 | None = None
    evaluations: int = field(default=0, init=False)

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.run.deadline is not None and time.monotonic() > self.run.deadline

    def __call__(self, initial: F64, bounds: Any, objective: Any, callback: Callable[[], None], **_: Any) -> Any:
        """(final, converged), as pyblp asks of a custom routine; raises FitError past the deadline."""
        from scipy.optimize import minimize

        def value(theta: F64) -> tuple[float, F64]:
            self.evaluations += 1
            if self.late:
                raise FitError("BLP", got=f"the deadline after {self.evaluations} evaluations",
                               cure="Raise night.fit_seconds, or use fewer draws or markets.")  # fmt: skip
            q, gradient, _progress = objective(theta)
            self.run.log(self.evaluations, objective=float(q), gradient=float(np.abs(gradient).max()))
            return q, gradient

        options: dict[str, Any] = {"gtol": self.gtol}
        if self.inverse_hessian is not None and self.inverse_hessian.shape == (len(initial),) * 2:
            options["hess_inv0"] = self.inverse_hessian
        found = minimize(value, initial, jac=True, method="BFGS", options=options, callback=lambda _: callback())
        self.inverse_hessian = (found.hess_inv + found.hess_inv.T) / 2
        return found.x, bool(found.success)


def problem_of(panel: Panel, formulas: Formulas, agents: Agents | None) -> Any:
    """pyblp's Problem; every share must be above 0."""
    import pyblp

    pyblp.options.verbose = False
    names = _short_names(panel, formulas)
    with translated("building the problem"):
        return pyblp.Problem(
            _formulations(formulas, names, agents),
            _product_data(panel, formulas, names),
            _agent_formulation(formulas, agents),
            _agent_data(agents, panel),
            costs_type="log",
            add_exogenous=True,
        )


def solve(problem: Any, sigma: F64, pi: F64 | None, search: Any, options: dict[str, Any]) -> Any:
    """pyblp's results from a start; `search` is a Search, or "return" to look at the start itself."""
    import pyblp

    optimization = pyblp.Optimization(search)
    free = np.full(sigma.shape, np.inf)
    with translated("solving"):
        return problem.solve(
            sigma,
            pi if pi is not None and pi.size else None,
            optimization=optimization,
            iteration=pyblp.Iteration("squarem", {"atol": CONTRACTION}),
            sigma_bounds=(-free, free),
            **options,
        )


def optima_of(results: Any) -> Iterator[Optimum]:
    """One per GMM step, first to last: gradient, Hessian and fixed points themselves.

    Step 0, where pyblp only looks at the start to choose weights, is no search and not here.
    """
    steps = [results]
    while steps[0].last_results is not None and steps[0].last_results.step > 0:
        steps.insert(0, steps[0].last_results)
    for step in steps:
        yield Optimum(
            flagged=bool(step.converged),
            gradient=np.asarray(step.gradient, dtype=np.float64).ravel(),
            projected=np.asarray(step.projected_gradient, dtype=np.float64).ravel(),
            hessian=np.asarray(step.hessian, dtype=np.float64),
            fixed_points_failed=int((np.asarray(step.fp_converged) == 0).sum()),
            clipped=int(np.asarray(step.clipped_shares).sum()),
            objective=float(np.squeeze(step.objective)),
            label=f"step {step.step}",
        )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """No pyblp traceback reaches a user."""
    import pyblp

    try:
        with np.errstate(all="ignore"), redirect_stdout(sys.stderr):  # it prints its warnings
            yield
    except (pyblp.exceptions.MultipleErrors, np.linalg.LinAlgError, ValueError, TypeError) as error:
        raise FitError(f"BLP, {doing}", got=" ".join(str(error).split())[:300],
                       cure="See the formulas and the data report.") from error  # fmt: skip


def _short_names(panel: Panel, formulas: Formulas) -> dict[str, str]:
    """Our column -> pyblp's, for the columns that the formulas name."""
    parts = (*formulas.linear, *formulas.tastes, *terms.parse(formulas.costs))
    used = sorted({name for term in parts for name in terms.names_in(term)} - {terms.PRICE})
    return {name: f"c{i}" for i, name in enumerate(used)}


def _spelling(parts: tuple[str, ...], names: dict[str, str]) -> str:
    """Terms in pyblp's grammar; the constant is said either way."""
    spelt = []
    for term in parts:
        text = re.sub(r"[A-Za-z_][\w.:-]*", lambda m: names.get(m[0], m[0]), term).replace("^", "**")
        spelt.append(f"I({text})" if re.search(r"[*/]", text) and term != terms.CONSTANT else text)
    constant = terms.CONSTANT in spelt
    rest = [s for s in spelt if s != terms.CONSTANT]
    return " + ".join(["1" if constant else "0", *rest])


def _formulations(formulas: Formulas, names: dict[str, str], agents: Agents | None) -> Any:
    import pyblp

    absorbed = " + ".join(f"C(e{i})" for i in range(len(formulas.effects))) or None
    parts = [pyblp.Formulation(_spelling(formulas.linear, names), absorb=absorbed)]
    if formulas.tastes and agents is not None:
        parts.append(pyblp.Formulation(_spelling(formulas.tastes, names)))
    if formulas.costs:
        parts += [None] * (2 - len(parts))
        parts.append(pyblp.Formulation(_spelling(terms.parse(formulas.costs), names)))
    return tuple(parts) if len(parts) > 1 else parts[0]


def _product_data(panel: Panel, formulas: Formulas, names: dict[str, str]) -> dict[str, Any]:
    o = panel.offers
    data: dict[str, Any] = {
        "market_ids": o.market,
        "product_ids": o.alternative,
        "firm_ids": o.firm,
        "shares": panel.shares,
        "prices": o.price,
        "demand_instruments": instruments(panel, formulas),
    }
    data |= {short: panel.columns[name] for name, short in names.items()}
    data |= {f"e{i}": panel.level(effect) for i, effect in enumerate(formulas.effects)}
    if o.clusters is not None:
        data["clustering_ids"] = o.clusters
    if formulas.costs and panel.supply_instruments is not None:
        data["supply_instruments"] = panel.supply_instruments
    return data


def _agent_formulation(formulas: Formulas, agents: Agents | None) -> Any:
    import pyblp

    wanted = terms.parse(formulas.demographics)
    if agents is None or not wanted:
        return None
    return pyblp.Formulation("0 + " + " + ".join(f"d{i}" for i in range(len(wanted))))


def _agent_data(agents: Agents | None, panel: Panel) -> dict[str, Any] | None:
    """People of the panel's markets only: a held-out market has none here."""
    if agents is None:
        return None
    here = np.isin(agents.market, panel.offers.market)
    data: dict[str, Any] = {"market_ids": agents.market, "weights": agents.weight, "nodes": agents.nodes}
    data |= {f"d{i}": column for i, column in enumerate(agents.demographics.T)}
    return {name: values[here] for name, values in data.items()}
