"""A stored fit as the demand system it was: its scorer, the covariance of its estimates, the basis of its tastes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recsys.contract import State
from recsys.models.demand.panel import Panel
from recsys.models.demand.system import Demand, Estimates
from recsys.scorers.choice import ChoiceScorer


def restored(scorer: ChoiceScorer, report: Mapping[str, Any], state: State) -> Demand | None:
    """The system a report and a state were left by; None where they do not say how sure its estimates are."""
    u, estimates = scorer.utility, report.get("estimates", [])
    joint = np.array(report.get("tables", {}).get("covariance", []), dtype=np.float64)
    k, basis = len(u.terms), state.get("basis")
    if joint.shape != (len(estimates), len(estimates)) or (basis is None and scorer.tastes.terms):
        return None
    names, value = tuple(str(e["name"]) for e in estimates), np.array([e["value"] for e in estimates], dtype=np.float64)
    return Demand(
        rung=str(report.get("rung", "")),
        panel=Panel(scorer.offers, scorer.space),
        linear=Estimates(names[:k], value[:k], joint[:k, :k]),
        delta=u.delta,
        tastes=scorer.tastes,
        nonlinear=Estimates(names[k:], value[k:], joint[k:, k:]),
        rho=scorer.rho,
        basis=basis,
        joint=joint,
    )
