"""Linear demand with absorbed fixed effects: least squares, two-stage least squares, two-step GMM.

    y = X beta + effects + xi,    E[Z' xi] = 0,    Z = exogenous columns of X and the excluded instruments

For plain logit y_jt = log s_jt - log s_0t (Berry 1994, eq. 13). Shapes: n rows, k columns of X, z excluded instruments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import linalg, stats

from recsys.contract import F64, I32, Flags
from recsys.errors import FitError
from recsys.models.demand.absorb import residualise

MAX_CONDITION = 1e10


@dataclass(frozen=True)
class Linear:
    """A linear problem."""

    y: F64  # [n]
    X: F64  # [n, k]
    names: tuple[str, ...]
    endogenous: Flags  # [k]
    Z: F64  # [n, z] excluded instruments
    effects: tuple[I32, ...] = ()  # levels of absorbed effects, [n] each
    clusters: I32 | None = None  # [n]
    ridge: float = 0.0  # penalty on standardised exogenous columns
    instrument_names: tuple[str, ...] = ()

    @cached_property
    def within(self) -> Linear:
        """The same problem after the effects are projected out and collinear instruments dropped."""
        k = self.X.shape[1]
        flat = residualise(np.column_stack([self.y, self.X, self.Z]), self.effects)
        y, X, Z = flat[:, 0], flat[:, 1 : k + 1], flat[:, k + 1 :]
        gone = [name for name, x in zip(self.names, X.T, strict=True) if x.std() < 1e-9]
        if gone and self.effects:
            raise FitError(
                f"Columns {', '.join(gone)}",
                got="no variation within the fixed effects",
                cure="Drop them from the formula: the effects already hold them.",
            )
        kept = independent(X[:, ~self.endogenous], Z)
        names = tuple(np.array(self.instrument_names, dtype=object)[kept]) if self.instrument_names else ()
        return replace(self, y=y, X=X, Z=Z[:, kept], effects=(), instrument_names=names)

    @property
    def instruments(self) -> F64:
        """All instruments: exogenous columns first."""
        return np.column_stack([self.X[:, ~self.endogenous], self.Z])


@dataclass(frozen=True)
class LinearFit:
    """Estimates; `xi` is the residual within the fixed effects, in rows of the problem."""

    names: tuple[str, ...]
    beta: F64  # [k]
    covariance: F64  # [k, k]
    xi: F64  # [n]
    objective: float = np.nan  # N g' W g, as GMM reports it
    first_stage: dict[str, float] = field(default_factory=dict)  # F per endogenous column
    j_statistic: float = np.nan
    j_degrees: int = 0
    dropped: tuple[str, ...] = ()  # collinear instruments

    @property
    def se(self) -> F64:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    @property
    def j_p_value(self) -> float:
        return float(stats.chi2.sf(self.j_statistic, self.j_degrees)) if self.j_degrees > 0 else np.nan

    def coefficient(self, name: str) -> tuple[float, float]:
        """(estimate, standard error) of a column."""
        at = self.names.index(name)
        return float(self.beta[at]), float(self.se[at])


def ols(problem: Linear) -> LinearFit:
    """Least squares that takes every column as exogenous: the naive value shown beside the others."""
    p = replace(problem, endogenous=np.zeros_like(problem.endogenous), Z=problem.Z[:, :0], instrument_names=()).within
    A = p.X.T @ p.X + _penalty(p)
    beta = _solve(A, p.X.T @ p.y, p.names)
    xi = p.y - p.X @ beta
    bread = np.linalg.inv(A)
    return LinearFit(p.names, beta, bread @ _meat(p.X, xi, p.clusters) @ bread, xi)


def two_stage(problem: Linear) -> LinearFit:
    """2SLS, standard errors robust or clustered; raises FitError when instruments are missing or singular."""
    p = _identified(problem)
    Z = p.instruments
    W = _inverse(Z.T @ Z, "The instruments")
    G = Z.T @ p.X
    A = G.T @ W @ G + _penalty(p)
    beta = _solve(A, G.T @ W @ (Z.T @ p.y), p.names)
    xi = p.y - p.X @ beta
    lift = np.linalg.inv(A) @ G.T @ W
    S = _meat(Z, xi, p.clusters)
    g = Z.T @ xi
    fit = LinearFit(p.names, beta, lift @ S @ lift.T, xi, objective=float(g @ W @ g))
    return _with_tests(fit, p, S, problem)


def gmm(problem: Linear) -> LinearFit:
    """Two-step GMM: 2SLS, then the weights its moments imply (centred, as pyblp does)."""
    first = two_stage(problem)
    p = problem.within
    Z = p.instruments
    W = _inverse(_meat(Z, first.xi, p.clusters, centred=True), "The moments of the first step")
    G = Z.T @ p.X
    A = G.T @ W @ G + _penalty(p)
    beta = _solve(A, G.T @ W @ (Z.T @ p.y), p.names)
    xi = p.y - p.X @ beta
    lift = np.linalg.inv(A) @ G.T @ W
    S = _meat(Z, xi, p.clusters)
    g = Z.T @ xi
    fit = LinearFit(p.names, beta, lift @ S @ lift.T, xi, objective=float(g @ W @ g))
    return _with_tests(fit, p, S, problem)


def first_stage_f(p: Linear) -> dict[str, float]:
    """F of the excluded instruments per endogenous column of a problem already within its effects.

    One endogenous column: effective F (Montiel Olea and Pflueger 2013). Several: Sanderson and Windmeijer (2016),
    conditional on the others.
    """
    exogenous = p.X[:, ~p.endogenous]
    Z = _partial(p.Z, exogenous)
    endogenous = _partial(p.X[:, p.endogenous], exogenous)
    names = [n for n, e in zip(p.names, p.endogenous, strict=True) if e]
    if endogenous.shape[1] == 1:
        return {names[0]: _effective_f(endogenous[:, 0], Z, p.clusters)}
    return {name: _conditional_f(endogenous, i, Z) for i, name in enumerate(names)}


def independent(X: F64, Z: F64) -> Flags:
    """[z] columns of Z that add something to X and to the ones before them (pivoted on standardised columns)."""
    scale = np.where(Z.std(axis=0) > 1e-12, Z.std(axis=0), np.inf)
    rest = _partial(Z / scale, X)
    kept = np.zeros(Z.shape[1], dtype=bool)
    if not rest.size:
        return kept
    _, R, pivot = linalg.qr(rest, mode="economic", pivoting=True)
    size = np.abs(np.diag(R))
    floor = np.sqrt(len(Z) / MAX_CONDITION)
    kept[pivot[: len(size)][size > floor]] = True
    return kept


def _identified(problem: Linear) -> Linear:
    p = problem.within
    needed, given = int(p.endogenous.sum()), p.Z.shape[1]
    if given < needed:
        raise FitError(
            "Instruments",
            got=f"{given} that vary within the fixed effects",
            wanted=f"at least {needed}, one per endogenous column",
            cure="Add cost shifters, other regions' prices or rivals' attributes, or absorb fewer effects.",
        )
    return p


def _with_tests(fit: LinearFit, p: Linear, S: F64, problem: Linear) -> LinearFit:
    j, degrees = hansen_j(p, fit.xi, p.X.shape[1], S)
    dropped = tuple(n for n in problem.instrument_names if n not in p.instrument_names)
    strength = first_stage_f(p) if p.endogenous.any() else {}
    return replace(fit, first_stage=strength, j_statistic=j, j_degrees=degrees, dropped=dropped)


def hansen_j(p: Linear, xi: F64, parameters: int, S: F64 | None = None) -> tuple[float, int]:
    """(J, degrees of freedom) of the moments Z' xi, for a problem within its effects; NaN without surplus moments."""
    Z = p.instruments
    degrees = Z.shape[1] - parameters
    g = Z.T @ xi
    S = _meat(Z, xi, p.clusters) if S is None else S
    return (float(g @ np.linalg.pinv(S) @ g) if degrees > 0 else np.nan), degrees


def _effective_f(price: F64, Z: F64, clusters: I32 | None) -> float:
    Q = np.linalg.qr(Z)[0]
    first = Q.T @ price
    residual = price - Q @ first
    return float(first @ first / max(np.trace(_meat(Q, residual, clusters)), 1e-300))


def _conditional_f(endogenous: F64, i: int, Z: F64) -> float:
    others = np.delete(endogenous, i, axis=1)
    Q = np.linalg.qr(Z)[0]
    fitted = Q @ (Q.T @ others)
    delta = np.linalg.lstsq(fitted, endogenous[:, i], rcond=None)[0]
    v = endogenous[:, i] - others @ delta
    explained = Q @ (Q.T @ v)
    degrees = Z.shape[1] - others.shape[1]
    if degrees < 1:
        return 0.0
    noise = float(((v - explained) ** 2).sum()) / max(len(v) - Z.shape[1], 1)
    return float((explained**2).sum() / degrees / max(noise, 1e-300))


def _partial(columns: F64, X: F64) -> F64:
    if not X.shape[1] or not columns.shape[1]:
        return columns
    return np.asarray(columns - X @ np.linalg.lstsq(X, columns, rcond=None)[0])


def _meat(Z: F64, xi: F64, clusters: I32 | None, centred: bool = False) -> F64:
    """Sum of the outer products of the moments, summed by cluster first."""
    g = Z * xi[:, None]
    if centred:
        g = g - g.mean(axis=0)
    if clusters is not None:
        g = np.column_stack([np.bincount(clusters, column) for column in g.T])
    return np.asarray(g.T @ g)


def _penalty(p: Linear) -> F64:
    scale = np.where(p.endogenous, 0.0, p.X.var(axis=0))
    return np.diag(p.ridge * len(p.y) * scale)


def _solve(A: F64, b: F64, names: tuple[str, ...]) -> F64:
    scale = 1 / np.sqrt(np.maximum(np.diag(A), 1e-300))
    if np.linalg.cond(A * scale[:, None] * scale[None, :]) > MAX_CONDITION:
        raise FitError(
            f"Columns {', '.join(names)}",
            got="columns that are (nearly) sums of one another",
            cure="Drop one of them, or set ridge above 0.",
        )
    return np.asarray(np.linalg.solve(A, b))


def _inverse(A: F64, what: str) -> F64:
    scale = 1 / np.sqrt(np.maximum(np.diag(A), 1e-300))
    scaled = A * scale[:, None] * scale[None, :]
    condition = np.linalg.cond(scaled)
    if not np.isfinite(condition) or condition > MAX_CONDITION:
        raise FitError(what, got=f"a condition of {condition:.1e}", wanted=f"below {MAX_CONDITION:.0e}",
                       cure="Drop instruments that copy one another.")  # fmt: skip
    return np.asarray(np.linalg.inv(scaled) * scale[:, None] * scale[None, :])
