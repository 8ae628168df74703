"""Random-coefficients logit by pyblp: BFGS with SQUAREM, gated at the point it reports.

    u_ijt = x_jt beta - alpha p_jt + xi_jt + sum_k x_jtk (sigma_k nu_ik + sum_d pi_kd D_id) + e_ijt

(Berry, Levinsohn and Pakes 1995; practice of Conlon and Gortmaker 2020.) Shapes: k random coefficients, d
demographics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from recsys.contract import F64, Flags, Run, State
from recsys.errors import ConfigError, FitError
from recsys.models.demand import bridge, gates
from recsys.models.demand.agents import Agents
from recsys.models.demand.bridge import Search
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Card
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import fill_unsold, own_elasticities
from recsys.models.demand.system import Demand, Estimates, tastes
from recsys.scorers import terms


@dataclass(frozen=True)
class Settings:
    """How BLP is solved."""

    sigma: tuple[float, ...] = ()  # [k] start of the standard deviations; () = half of what moves utility by 1
    pi: tuple[tuple[float, ...], ...] = ()  # [k][d] start; a 0 stays 0
    method: Literal["1s", "2s"] = "1s"
    gtol: float = 1e-5
    starts: int = 1  # the first from sigma and pi, the others from them times U(.5, 1.5)
    optimal_instruments: bool = False  # a second pass with approximate optimal instruments
    update_first: bool = False  # weights of the first step from the start's residuals


@dataclass(frozen=True)
class BlpFit:
    """A solved BLP: the system, its gates, and what tomorrow starts from."""

    demand: Demand
    card: Card
    state: State
    evaluations: int
    objectives: tuple[float, ...]  # one per start


def fit_blp(panel: Panel, formulas: Formulas, agents: Agents, settings: Settings, run: Run) -> BlpFit:
    """Solve from every start, keep the lowest objective, look at it through the gates.

    Raises FitError when pyblp cannot go on or the deadline passes; a failed gate is in the card, not raised.
    """
    sold = panel.shares > 0
    people = with_demographics(agents, formulas)
    problem = bridge.problem_of(panel.take(sold), formulas, people)
    warm = _warm(run.start, problem)
    search = Search(run, settings.gtol, warm[2] if warm else None)
    solved = [_solve(problem, s, p, search, settings)
              for s, p in ([warm[:2]] if warm else _starts(panel, formulas, settings, people, run.seed))]  # fmt: skip
    best = min(solved, key=lambda r: float(np.squeeze(r.objective)))
    objectives = tuple(float(np.squeeze(r.objective)) for r in solved)
    demand = demand_of(best, panel, formulas, people, sold)
    card = Card((*gates_of(best, demand, sold), *gates.of_starts(objectives), *_drift(best, run.start)))
    return BlpFit(demand, card, _state(best, search), search.evaluations, objectives)


def look_at(
    panel: Panel, formulas: Formulas, agents: Agents, sigma: F64, pi: F64, method: Literal["1s", "2s"] = "1s"
) -> BlpFit:
    """The gates' view of given parameters, without a search: sigma [k], pi [k, d]."""
    sold = panel.shares > 0
    people = with_demographics(agents, formulas)
    problem = bridge.problem_of(panel.take(sold), formulas, people)
    results = bridge.solve(problem, np.diag(sigma), pi, "return", {"method": method})
    demand = demand_of(results, panel, formulas, people, sold)
    found = float(np.squeeze(results.objective))
    return BlpFit(demand, Card(gates_of(results, demand, sold)), {}, 1, (found,))


def demand_of(results: Any, panel: Panel, formulas: Formulas, agents: Agents, sold: Flags) -> Demand:
    """pyblp's results as our demand system: draws of the coefficients instead of nodes and matrices."""
    kept = panel.take(sold)
    names = formulas.linear
    k = len(names)
    beta = np.asarray(results.beta, dtype=np.float64).ravel()
    covariance = covariance_of(results)
    theta = len(np.ravel(results.theta))
    linear = Estimates(names, beta, covariance[theta : theta + k, theta : theta + k])
    delta = np.full(len(panel), np.nan)
    delta[sold] = np.ravel(results.delta)
    nodes, demographics, weight, group = agents.blocks(len(panel.space.markets))
    sigma = np.asarray(results.sigma)
    drawn = sigma.any(axis=0) if nodes.shape[2] < len(sigma) else slice(None)  # a term moved by demographics alone
    value = nodes @ sigma[:, drawn].T
    if np.size(results.pi):
        value = value + demographics @ np.asarray(results.pi).T
    return Demand(
        rung="blp",
        panel=panel,
        linear=linear,
        delta=fill_unsold(panel, delta, sold, names, beta) if not sold.all() else delta,
        tastes=tastes(kept, formulas.tastes, value, weight, group),
        nonlinear=Estimates(_theta_names(results, formulas), np.ravel(results.theta)[: _n_theta(results)],
                            covariance[: _n_theta(results), : _n_theta(results)]),
        objective=float(np.squeeze(results.objective)),
        costs=np.ravel(results.compute_costs()) if formulas.costs else None,
    )  # fmt: skip


def gates_of(results: Any, demand: Demand, sold: Flags) -> tuple[gates.Gate, ...]:
    """Every gate that one solution can answer, each GMM step by itself."""
    found: list[gates.Gate] = []
    for step in bridge.optima_of(results):
        found += [*gates.of_optimum(step), *gates.of_bounds(step)]
    found += gates.of_covariance(covariance_of(results))
    found += gates.of_elasticities(own_elasticities(demand)[sold])
    if demand.costs is not None:
        found += gates.of_costs(demand.costs)
    return tuple(found)


def covariance_of(results: Any) -> F64:
    """Covariance of (theta, beta, gamma); pyblp reports it times the number of rows."""
    covariance: F64 = np.asarray(results.parameter_covariances, dtype=np.float64) / results.problem.N
    return covariance


def with_demographics(agents: Agents, formulas: Formulas) -> Agents:
    """The agents with exactly the demographics the formulas name."""
    wanted = terms.parse(formulas.demographics)
    columns = {name: agents.demographics[:, i] for i, name in enumerate(agents.names)}
    return replace(agents, demographics=terms.design(wanted, columns, len(agents.market)), names=wanted)


def _solve(problem: Any, sigma: F64, pi: F64, search: Search, settings: Settings) -> Any:
    kind = "clustered" if problem.products.clustering_ids.size else "robust"
    options = {"method": settings.method, "W_type": kind, "se_type": kind, "initial_update": settings.update_first}
    if problem.K3:
        options["costs_bounds"] = (bridge.COSTS_FLOOR, None)
    results = bridge.solve(problem, sigma, pi, search, options)
    if not settings.optimal_instruments:
        return results
    search.inverse_hessian = None
    with bridge.translated("computing optimal instruments"):
        better = results.compute_optimal_instruments(method="approximate").to_problem()
    return bridge.solve(better, results.sigma, results.pi, search, options)


def _starts(panel: Panel, formulas: Formulas, settings: Settings, agents: Agents, seed: int) -> list[tuple[F64, F64]]:
    """(sigma [k, k], pi [k, d]) of every start."""
    k, d = len(formulas.tastes), agents.demographics.shape[1]
    if not k:
        raise ConfigError("random", got="no random coefficient", wanted="at least one", cure="Use the logit family.")
    spread = terms.design(formulas.tastes, panel.columns, len(panel)).std(axis=0)
    default = 0.5 / np.where(spread > 0, spread, 1.0)
    sigma = np.array(settings.sigma) if settings.sigma else default
    pi = np.array(settings.pi, dtype=np.float64).reshape(-1, d) if settings.pi else np.tile(
        0.1 * default[:, None], (1, d)) / np.maximum(agents.demographics.std(axis=0), 1e-9)  # fmt: skip
    if len(sigma) != k or len(pi) != k:
        raise ConfigError("sigma and pi", got=f"{len(sigma)} and {len(pi)} rows", wanted=f"{k}, one per random term")
    rng = np.random.default_rng(seed)
    starts = [(np.diag(sigma), pi)]
    for _ in range(settings.starts - 1):
        starts.append((np.diag(sigma * rng.uniform(0.5, 1.5, k)), pi * rng.uniform(0.5, 1.5, pi.shape)))
    return starts


def _n_theta(results: Any) -> int:
    return len(np.ravel(results.theta))


def _theta_names(results: Any, formulas: Formulas) -> tuple[str, ...]:
    """`sigma prices`, `pi prices income`: in pyblp's order of free parameters."""
    free_sigma = [(i, j) for i in range(len(formulas.tastes)) for j in range(i + 1) if results.sigma[i, j] != 0]
    demographics = terms.parse(formulas.demographics)
    names = [f"sigma {formulas.tastes[i]}" for i, j in free_sigma if i == j]
    pi = np.asarray(results.pi)
    names += [f"pi {formulas.tastes[i]} {demographics[j]}"
              for i in range(pi.shape[0]) for j in range(pi.shape[1]) if pi[i, j] != 0] if pi.size else []  # fmt: skip
    if len(names) != _n_theta(results):
        raise FitError("BLP", got=f"{_n_theta(results)} parameters", wanted=f"{len(names)} named ones")
    return tuple(names)


def _state(results: Any, search: Search) -> State:
    state = {"sigma": np.asarray(results.sigma), "pi": np.asarray(results.pi), "theta": np.ravel(results.theta)}
    if search.inverse_hessian is not None:
        state["inverse_hessian"] = search.inverse_hessian
    return state


def _warm(start: State | None, problem: Any) -> tuple[F64, F64, F64 | None] | None:
    """Last night's point and curvature, where they fit this problem."""
    if not start or "sigma" not in start or start["sigma"].shape[0] != problem.K2:
        return None
    if start["pi"].shape[1:] != (problem.D,) and problem.D:
        return None
    return start["sigma"], start["pi"], start.get("inverse_hessian")


def _drift(results: Any, start: State | None) -> tuple[gates.Gate, ...]:
    if not start or start.get("theta") is None or len(start["theta"]) != _n_theta(results):
        return ()
    se = np.sqrt(np.maximum(np.diag(covariance_of(results))[: _n_theta(results)], 0))
    return gates.of_drift(np.ravel(results.theta), start["theta"], se)
