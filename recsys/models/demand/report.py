"""What a demand fit tells the night: estimates, gates and elasticities as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.models.demand.gates import Card
from recsys.models.demand.plain_logit import own_elasticities
from recsys.models.demand.system import Demand


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
