"""What a demand fit tells the night: estimates, gates and elasticities as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.models.demand.gates import Card
from recsys.models.demand.plain_logit import own_elasticities
from recsys.models.demand.system import Demand
from recsys.models.demand.tables import tables

NIGHTLY_DRAWS = 40  # of the estimates, for the tables' intervals


def report_of(demand: Demand, card: Card) -> dict[str, Any]:
    """JSON-ready; see docs/demand.md for the schema."""
    own = own_elasticities(demand)
    return {
        "rung": demand.rung,
        "rows": len(demand.panel),
        "markets": len(np.unique(demand.panel.offers.market)),
        "alternatives": len(np.unique(demand.panel.offers.alternative)),
        "objective": float(demand.objective) if np.isfinite(demand.objective) else None,
        "estimates": demand.linear.json() + demand.nonlinear.json(),
        "own_elasticity": {"mean": float(own.mean()), "median": float(np.median(own))},
        "eligible": card.eligible,
        "gates": card.json(),
    }


def nightly_tables(demand: Demand) -> dict[str, Any]:
    """What an eligible fit adds to its report."""
    return {"tables": tables(demand, draws=NIGHTLY_DRAWS)}
