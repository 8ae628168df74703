"""Random-coefficients logit by pyblp: BFGS with SQUAREM, gated at the point it reports.

    u_ijt = x_jt beta - alpha p_jt + xi_jt + sum_k x_jtk (sigma_k nu_ik + sum_d pi_kd D_id) + e_ijt

(Berry, Levinsohn and Pakes 1995; practice of Conlon and Gortmaker 2020.) Shapes: k random coefficients, d
demographics.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from recsys.contract import F64, I32, Flags, Run, State
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
    starts = [warm[:2]] if warm else _starts(panel, formulas, settings, people, run.seed)
    _require_moments(problem, formulas, starts[0])
    solved = _solve_all(problem, starts, search, settings)
    objectives = tuple(float(np.squeeze(results.objective)) for results, _ in solved)
    best, lost = solved[int(np.argmin(objectives))]
    demand = demand_of(best, panel, formulas, people, sold)
    seen = (*gates_of(best, demand, sold), *gates.of_second_pass(lost))
    card = Card((*seen, *gates.of_starts(objectives), *_drift(best, run.start)))
    return BlpFit(demand, card, _state(best, search, solved[-1][0]), search.evaluations, objectives)


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
    names, free = formulas.linear, _free(results)
    k, p = len(names), len(free)
    beta = np.asarray(results.beta, dtype=np.float64).ravel()
    theta = np.array([v for _, _, _, v in free])
    order = np.r_[p : p + k, 0:p]  # pyblp lists the nonlinear ones first
    joint = covariance_of(results)[np.ix_(order, order)]
    delta = np.full(len(panel), np.nan)
    delta[sold] = np.ravel(results.delta)
    basis, weight, group = _basis(results, agents, free, len(panel.space.markets))
    return Demand(
        rung="blp",
        panel=panel,
        linear=Estimates(names, beta, joint[:k, :k]),
        delta=fill_unsold(panel, delta, sold, names, beta) if not sold.all() else delta,
        tastes=tastes(panel, formulas.tastes, basis @ theta, weight, group),
        nonlinear=Estimates(_theta_names(free, formulas), theta, joint[k:, k:]),
        objective=float(np.squeeze(results.objective)),
        costs=np.ravel(results.compute_costs()) if formulas.costs else None,
        basis=basis,
        joint=joint,
    )


def gates_of(results: Any, demand: Demand, sold: Flags) -> tuple[gates.Gate, ...]:
    """Every gate that one solution can answer, each GMM step by itself."""
    found: list[gates.Gate] = []
    for step in bridge.optima_of(results):
        found += [*gates.of_optimum(step), *gates.of_bounds(step)]
    found += gates.of_covariance(covariance_of(results))
    found += gates.of_spreads(dict(zip(demand.nonlinear.names, demand.nonlinear.value.tolist(), strict=True)))
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


def _solve_all(
    problem: Any, starts: list[tuple[F64, F64]], search: Search, settings: Settings
) -> list[tuple[Any, str]]:
    """`_solve` of as many starts as the time allows: never begun when another like the first would not end."""
    solved: list[tuple[Any, str]] = []
    began = time.monotonic()
    for sigma, pi in starts:
        each = (time.monotonic() - began) / max(len(solved), 1)
        if solved and search.run.deadline is not None and time.monotonic() + 1.5 * each > search.run.deadline:
            break
        search.inverse_hessian = None if solved else search.inverse_hessian
        solved.append(_solve(problem, sigma, pi, search, settings))
    return solved


def _require_moments(problem: Any, formulas: Formulas, start: tuple[F64, F64]) -> None:
    """Raises FitError when there are more parameters to tell apart than instruments."""
    free = int(np.count_nonzero(start[0]) + np.count_nonzero(start[1]))
    needed, given = free + len(formulas.linear), int(problem.MD)
    if needed > given:
        raise FitError(
            "BLP", got=f"{needed} parameters and {given} moments", wanted="at least as many moments as parameters",
            cure="Give more instruments (costs, other regions' prices, rivals' attributes), or fewer random terms.",
        )  # fmt: skip


def _solve(problem: Any, sigma: F64, pi: F64, search: Search, settings: Settings) -> tuple[Any, str]:
    """(results, why they are of the first pass only); "" where the pass that was asked for came to its end."""
    kind = "clustered" if problem.products.clustering_ids.size else "robust"
    options = {"method": settings.method, "W_type": kind, "se_type": kind, "initial_update": settings.update_first}
    if problem.K3:
        options["costs_bounds"] = (bridge.COSTS_FLOOR, None)
    results = bridge.solve(problem, sigma, pi, search, options)
    if not settings.optimal_instruments:
        return results, ""
    curvature, search.inverse_hessian = search.inverse_hessian, None
    try:
        with bridge.translated("computing optimal instruments"):
            better = results.compute_optimal_instruments(method="approximate").to_problem()
        return bridge.solve(better, results.sigma, results.pi, search, options), ""
    except FitError as error:  # a taste without spread has no instrument of its own
        if search.late:
            raise
        search.inverse_hessian = curvature
        return results, str(error)


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


def _free(results: Any) -> list[tuple[str, int, int, float]]:
    """(matrix, row, column, value) of every free nonlinear parameter, in pyblp's order: sigma, then pi."""
    sigma, pi = np.asarray(results.sigma), np.asarray(results.pi)
    free = [("sigma", i, j, float(sigma[i, j])) for j in range(len(sigma)) for i in range(j, len(sigma)) if sigma[i, j]]
    free += [("pi", i, j, float(pi[i, j])) for i, j in np.ndindex(*pi.shape) if pi[i, j]] if pi.size else []
    theta = np.ravel(results.theta)
    if len(free) != len(theta) or not np.allclose([v for *_, v in free], theta):
        raise FitError("BLP", got="a parameter that is exactly 0", wanted="a search that moved it",
                       cure="Start from other values, or drop the term.")  # fmt: skip
    return free


def _basis(results: Any, agents: Agents, free: list[tuple[str, int, int, float]], markets: int) -> tuple[F64, F64, I32]:
    """(basis [G, R, k, parameters], weight [G, R], group [markets]): coefficients of the draws = basis @ parameters."""
    nodes, demographics, weight, group = agents.blocks(markets)
    sigma = np.asarray(results.sigma)
    all_drawn = nodes.shape[2] == len(sigma)  # else a term that demographics alone move has no nodes
    drawn = range(len(sigma)) if all_drawn else np.flatnonzero(sigma.any(axis=0)).tolist()
    node_of = {column: i for i, column in enumerate(drawn)}
    basis = np.zeros((*nodes.shape[:2], len(sigma), len(free)))
    for p, (matrix, i, j, _) in enumerate(free):
        basis[:, :, i, p] = nodes[:, :, node_of[j]] if matrix == "sigma" else demographics[:, :, j]
    return basis, weight, group


def _theta_names(free: list[tuple[str, int, int, float]], formulas: Formulas) -> tuple[str, ...]:
    """`sigma prices`, `pi prices income`."""
    demographics, random = terms.parse(formulas.demographics), formulas.tastes
    second = {"sigma": lambda i, j: random[j] if i != j else "", "pi": lambda i, j: demographics[j]}
    return tuple(f"{kind} {random[i]} {second[kind](i, j)}".strip() for kind, i, j, _ in free)


def _state(results: Any, search: Search, latest: Any) -> State:
    """What tomorrow starts from; the curvature is the latest search's, so it is kept only where that one was best."""
    state = {"sigma": np.asarray(results.sigma), "pi": np.asarray(results.pi), "theta": np.ravel(results.theta)}
    if search.inverse_hessian is not None and latest is results:
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
    if not start or start.get("theta") is None or len(start["theta"]) != len(np.ravel(results.theta)):
        return ()
    se = np.sqrt(np.maximum(np.diag(covariance_of(results))[: len(start["theta"])], 0))
    return gates.of_drift(np.ravel(results.theta), start["theta"], se)
