"""The gate of every off-policy number: where an estimate stops being evidence.

With few effective exposures an interval is too narrow because the exposures that would widen it were never drawn; a
number behind this gate is shown with its reasons and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warned", "refused"]


@dataclass(frozen=True)
class Gate:
    """Where an estimate stops being evidence. Shares are of 1."""

    refuse_ess: float = 0.05  # effective sample size / n
    warn_ess: float = 0.10
    mean_weight: float = 0.10  # largest distance of the mean weight from 1
    negligible: float = 0.01  # a significant but smaller deviation than this only warns
    max_share: float = 0.05  # largest share of one exposure in the sum of weights
    floor: float = 1e-4  # propensities below it make single exposures decide
    unseen: float = 0.10  # largest share of the target on arms the log never shows
    groups: int = 30  # fewer visitors than this: no normal interval


@dataclass(frozen=True)
class Diagnostics:
    """Whether the log can speak about the target at all."""

    n: int
    groups: int  # groups of visitors with at least one exposure
    ess: float  # (sum w)^2 / sum w^2, exposures
    ess_share: float
    mean_weight: float
    mean_weight_se: float
    max_weight: float
    max_share: float
    min_propensity: float
    below_floor: int
    unseen: float  # share of the target's probability on arms the log never shows


def judge(found: Diagnostics, gate: Gate = Gate()) -> tuple[Status, tuple[str, ...]]:
    """ok, warned or refused, with every reason in words."""
    refused = tuple(reason for failed, reason in _refusals(found, gate) if failed)
    warned = tuple(reason for failed, reason in _warnings(found, gate) if failed)
    if refused:
        return "refused", refused + warned
    return ("warned" if warned else "ok"), warned


def _deviation(found: Diagnostics) -> float:
    """Distance of the mean weight from what it must be: 1, less what the target spends on arms nobody saw."""
    return abs(found.mean_weight - (1 - found.unseen))


def _refusals(found: Diagnostics, gate: Gate) -> list[tuple[bool, str]]:
    off, se = _deviation(found), found.mean_weight_se
    return [
        (
            found.ess_share < gate.refuse_ess,
            f"effective sample size is {found.ess_share:.2%} of {found.n:,} exposures (needs {gate.refuse_ess:.0%}): "
            "the target hardly ever does what the log did",
        ),
        (
            off > gate.mean_weight,
            f"mean weight is {found.mean_weight:.3f} and not {1 - found.unseen:.3g} +- {gate.mean_weight:g}: "
            "the logged propensities are not those of the draw",
        ),
        (
            off > 3 * se and gate.negligible < off <= gate.mean_weight,
            f"mean weight {found.mean_weight:.4f} is more than 3 standard errors ({se:.2g}) from "
            f"{1 - found.unseen:.3g}: "
            "propensities and traffic disagree",
        ),
        (
            found.max_share >= gate.max_share,
            f"one exposure carries {found.max_share:.1%} of all weight (limit {gate.max_share:.0%})",
        ),
        (
            found.unseen > gate.unseen,
            f"{found.unseen:.1%} of the target's choices are arms nobody saw (limit {gate.unseen:.0%})",
        ),
    ]


def _warnings(found: Diagnostics, gate: Gate) -> list[tuple[bool, str]]:
    off = _deviation(found)
    return [
        (
            gate.refuse_ess <= found.ess_share < gate.warn_ess,
            f"effective sample size is only {found.ess_share:.2%} of {found.n:,} exposures",
        ),
        (
            3 * found.mean_weight_se < off <= gate.negligible,
            f"mean weight {found.mean_weight:.4f} is more than 3 standard errors from {1 - found.unseen:.3g}",
        ),
        (
            0 < found.unseen <= gate.unseen,
            f"{found.unseen:.2%} of the target's choices are arms nobody saw: they count as 0 in IPS",
        ),
        (
            found.below_floor > 0,
            f"{found.below_floor:,} propensities lie below {gate.floor:g} (smallest {found.min_propensity:.2g})",
        ),
        (found.groups < gate.groups, f"only {found.groups} groups of visitors: intervals are rough"),
    ]
