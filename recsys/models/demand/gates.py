"""The gates of a demand fit: what must hold at the reported point before anyone may use it.

An optimiser's own "converged" is one gate among many, because it has been seen true at a gradient of 57. A failed gate
makes the fit not eligible; a warning and a note are printed and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from recsys.contract import F64
from recsys.errors import RefusedError

MAX_GRADIENT = 1e-4
MAX_CONDITION = 1e10
LEAST_SPREAD = 1e-6
ELASTICITY = (-15.0, -1.0)  # median own
MAX_UPWARD = 0.01  # share of own elasticities that are not negative
MAX_NEGATIVE_COSTS = 0.02
F_WEAK, F_FINE = 10.0, 23.0
STRONGER = "give costs, other regions' prices or rivals' attributes"
SAME_OBJECTIVE = 1e-3  # relative, between starts
MAX_DRIFT = 3.0  # standard errors since last night
MAX_NODES_ELASTICITY = 0.02  # relative, when the nodes are doubled
MAX_BULK_ELASTICITY = 0.20  # relative, when bulk lines are left out
MAX_SIZE_ELASTICITY = 0.15  # relative, when the market size is halved or doubled


class Verdict(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    NOTED = "noted"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True)
class Gate:
    """One check: what was found, what was wanted, in words a shop can act on."""

    name: str
    verdict: Verdict
    found: float
    wanted: str
    words: str = ""


@dataclass(frozen=True)
class Optimum:
    """What an optimiser left behind at the point it reports; one per GMM step."""

    flagged: bool  # the optimiser's own word
    gradient: F64  # [parameters] raw
    projected: F64  # [parameters] zero where a bound holds the parameter and the gradient pushes against it
    hessian: F64  # [parameters, parameters]
    fixed_points_failed: int
    clipped: int  # shares
    objective: float
    label: str = "step 1"


@dataclass(frozen=True)
class Card:
    """All gates of one fit."""

    gates: tuple[Gate, ...] = field(default=())

    @property
    def eligible(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Gate, ...]:
        return tuple(g for g in self.gates if g.verdict is Verdict.FAILED)

    def joined(self, gates: Iterable[Gate]) -> Card:
        return Card((*self.gates, *gates))

    def json(self) -> list[dict[str, Any]]:
        return [{**asdict(g), "verdict": str(g.verdict), "found": _number(g.found)} for g in self.gates]

    def sentence(self) -> str:
        return "; ".join(f"{g.name}: {g.words or f'{g.found:.4g}, wanted {g.wanted}'}" for g in self.failed)

    def require(self, rung: str, report: Mapping[str, Any]) -> None:
        """Raises RefusedError, with the report, when a gate failed."""
        if not self.eligible:
            raise RefusedError(
                f"{rung} did not pass its gates: {self.sentence()}",
                report={**report, "gates": self.json()},
                cure="An earlier night's fit stays in use, where there is one.",
            )


def of_optimum(optimum: Optimum) -> tuple[Gate, ...]:
    """Flag, fixed points, gradient, curvature and clipped shares at the reported point."""
    at = f" ({optimum.label})"
    steepest = float(np.abs(optimum.projected).max(initial=0.0))
    finite = bool(np.isfinite(optimum.hessian).all() and np.isfinite(optimum.gradient).all())
    lowest = float(np.linalg.eigvalsh(optimum.hessian).min()) if finite and optimum.hessian.size else np.nan
    return (
        _gate("optimiser" + at, optimum.flagged, float(optimum.flagged), "its own word that it ended well"),
        _gate("fixed points" + at, optimum.fixed_points_failed == 0, optimum.fixed_points_failed,
              "every market's shares inverted"),
        _gate("gradient" + at, steepest < MAX_GRADIENT, steepest, f"below {MAX_GRADIENT:g}",
              f"the objective still falls at the reported point (gradient {steepest:.3g}, wanted below "
              f"{MAX_GRADIENT:g})"),
        _gate("curvature" + at, bool(lowest > 0) or not optimum.hessian.size, lowest,
              "all eigenvalues of the Hessian above 0"),
        _gate("clipped shares" + at, optimum.clipped == 0, optimum.clipped, "none"),
    )  # fmt: skip


def of_bounds(optimum: Optimum) -> tuple[Gate, ...]:
    """A parameter held by a bound that the objective would cross: the bound, not the data, chose it."""
    held = np.abs(optimum.gradient - optimum.projected) >= MAX_GRADIENT
    return (
        _gate(f"bounds ({optimum.label})", not held.any(), int(held.sum()), "no parameter held by a bound",
              f"{int(held.sum())} parameter(s) held by a bound with gradient up to "
              f"{float(np.abs(optimum.gradient).max(initial=0.0)):.3g}"),
    )  # fmt: skip


def of_covariance(covariance: F64) -> tuple[Gate, ...]:
    """Condition of the covariance of the estimates."""
    finite = bool(np.isfinite(covariance).all())
    condition = float(np.linalg.cond(covariance)) if finite and covariance.size else (1.0 if finite else np.inf)
    return (
        _gate("covariance", condition < MAX_CONDITION, condition, f"a condition below {MAX_CONDITION:.0e}",
              "the data cannot tell the parameters apart"),
    )  # fmt: skip


def of_spreads(estimates: Mapping[str, float]) -> tuple[Gate, ...]:
    """A standard deviation of tastes that ends at 0: the data show one taste, and BLP is then plain logit."""
    none = [n.removeprefix("sigma ") for n, v in estimates.items() if n.startswith("sigma ") and abs(v) < LEAST_SPREAD]
    return (
        _gate("spread of tastes", not none, len(none), "every standard deviation above 0",
              f"no spread of tastes for {', '.join(none)} can be seen in these data: plain logit says as much"),
    )  # fmt: skip


def of_elasticities(own: F64) -> tuple[Gate, ...]:
    """Sign and range of own elasticities."""
    upward = float((~(own < 0)).mean()) if len(own) else np.nan
    median = float(np.median(own)) if len(own) else np.nan
    sign = Verdict.FAILED if not upward <= MAX_UPWARD else (Verdict.WARNED if upward > 0 else Verdict.PASSED)
    low, high = ELASTICITY
    return (
        Gate("sign", sign, upward, f"at most {MAX_UPWARD:.0%} of own elasticities not negative",
             f"{upward:.1%} of products would sell more at a higher price"),
        _gate("elasticity range", low <= median <= high, median, f"median own elasticity in [{low:g}, {high:g}]"),
    )  # fmt: skip


def of_instruments(first_stage: Mapping[str, float], j_p_value: float) -> tuple[Gate, ...]:
    """First-stage strength per endogenous column; over-identification is noted, never a gate."""
    gates = []
    for name, f in first_stage.items():
        verdict = Verdict.PASSED if f >= F_FINE else (Verdict.WARNED if f > F_WEAK else Verdict.FAILED)
        words = "" if verdict is Verdict.PASSED else f"the instruments hardly move {name} (F {f:.1f}): {STRONGER}"
        gates.append(Gate(f"first stage of {name}", verdict, f, f"F above {F_WEAK:g}, better {F_FINE:g}", words))
    if np.isfinite(j_p_value):
        low = j_p_value < 0.01
        gates.append(Gate("over-identification", Verdict.NOTED if low else Verdict.PASSED, j_p_value, "p of Hansen's J",
                          "the instruments disagree with one another" if low else ""))  # fmt: skip
    return tuple(gates)


def without_instruments() -> tuple[Gate, ...]:
    """Prices taken as given: good enough to rank, not to price."""
    words = "no instruments: elasticities are associations, not responses; give costs or more than one region"
    return (Gate("instruments", Verdict.WARNED, 0.0, "something that moves prices but not tastes", words),)


def of_naive(alpha: float, naive: float) -> tuple[Gate, ...]:
    """The price coefficient beside the one that takes prices as given: what the instruments change."""
    moved = abs(naive / alpha - 1)
    words = f"prices taken as given, the coefficient would read {naive:.3g} instead of {alpha:.3g}"
    return (Gate("prices as given", Verdict.NOTED, moved, "the naive value, for comparison", words),)


def of_nesting(rho: float) -> tuple[Gate, ...]:
    return (_gate("nesting", 0 < rho < 1, rho, "rho between 0 and 1"),)


def of_costs(costs: F64) -> tuple[Gate, ...]:
    """Marginal costs that the supply side implies."""
    negative = float((costs <= 0).mean())
    wanted = f"under {MAX_NEGATIVE_COSTS:.0%} negative"
    return (_gate("marginal costs", negative < MAX_NEGATIVE_COSTS, negative, wanted),)


def of_starts(objectives: Iterable[float]) -> tuple[Gate, ...]:
    """Do several starts end at the same objective? The lowest is kept either way."""
    values = sorted(objectives)
    spread = (values[-1] - values[0]) / max(abs(values[0]), 1e-12) if values else 0.0
    verdict = Verdict.PASSED if spread <= SAME_OBJECTIVE else Verdict.WARNED
    return (Gate("starts", verdict, spread, f"objectives within {SAME_OBJECTIVE:g} of one another"),)


def of_second_pass(lost: str) -> tuple[Gate, ...]:
    """The pass with optimal instruments that came to no end: the first pass stands, less precise but no less right."""
    words = f"the pass with optimal instruments failed, so these are the first pass's estimates: {lost}"
    return (Gate("optimal instruments", Verdict.WARNED, 1.0, "a second pass", words),) if lost else ()


def of_drift(theta: F64, before: F64, se: F64) -> tuple[Gate, ...]:
    """How far the estimates moved since last night."""
    moved = float((np.abs(theta - before) / np.maximum(se, 1e-12)).max(initial=0.0))
    verdict = Verdict.PASSED if moved < MAX_DRIFT else Verdict.WARNED
    return (Gate("drift", verdict, moved, f"under {MAX_DRIFT:g} standard errors since the last fit"),)


def of_nodes(alpha: float, alpha_doubled: float, se: float, own: float, own_doubled: float) -> tuple[Gate, ...]:
    """Does the answer depend on the integration rule? Compared with twice the nodes."""
    moved = abs(alpha_doubled - alpha) / max(se, 1e-12)
    relative = abs(own_doubled / own - 1)
    return (
        _gate("integration, price", moved < 1, moved, "under 1 standard error when the nodes are doubled"),
        _gate("integration, elasticities", relative < MAX_NODES_ELASTICITY, relative,
              f"under {MAX_NODES_ELASTICITY:.0%} when the nodes are doubled"),
    )  # fmt: skip


def of_bulk(own: float, own_without: float) -> tuple[Gate, ...]:
    """Is it prices or quantity discounts? Mean own elasticity with and without bulk lines."""
    moved = abs(own_without / own - 1)
    failed = not moved <= MAX_BULK_ELASTICITY
    words = f"own elasticity {own:.2f} on all lines, {own_without:.2f} without bulk lines"
    words += ": quantity discounts pose as price variation" if failed else ""
    verdict, wanted = Verdict.FAILED if failed else Verdict.PASSED, f"within {MAX_BULK_ELASTICITY:.0%}"
    return (Gate("quantity discounts", verdict, moved, f"elasticity {wanted} without bulk lines", words),)


def of_size(own: Mapping[float, float]) -> tuple[Gate, ...]:
    """Mean own elasticity by multiple of the market size; warns only."""
    base = own[1.0]
    moved = max((abs(e / base - 1) for e in own.values()), default=0.0)
    verdict = Verdict.PASSED if moved <= MAX_SIZE_ELASTICITY else Verdict.WARNED
    words = "own elasticity " + ", ".join(f"{e:.2f} at {m:g} x the people" for m, e in sorted(own.items()))
    return (
        Gate("market size", verdict, moved, f"elasticity within {MAX_SIZE_ELASTICITY:.0%} at half and twice", words),
    )


def of_effects(alpha: float, alpha_without: float) -> tuple[Gate, ...]:
    """What the fixed effects hold: a price coefficient that changes by half without them was not price alone."""
    moved = abs(alpha_without / alpha - 1)
    verdict = Verdict.NOTED if moved > 0.5 else Verdict.PASSED
    words = f"without fixed effects the price coefficient would read {alpha_without:.3g} instead of {alpha:.3g}"
    return (Gate("fixed effects", verdict, moved, "noted when above 50 %", words),)


def _gate(name: str, passed: bool, found: float, wanted: str, words: str = "") -> Gate:
    return Gate(name, Verdict.PASSED if passed else Verdict.FAILED, float(found), wanted, "" if passed else words)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
