"""Demand: our BLP on Nevo's cereals against bare pyblp, and a night's warm start against a cold one.

    python -m benchmarks.demand [--repeats N] [--json OUT]

B1: fit, gates and draws of ours, against pyblp's own solve with BFGS and SQUAREM at the same tolerances. B2: two more
markets arrive; from yesterday's estimates and curvature against the published start. B3: peak memory of B1.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.sidebyside import Goal, measure, pin_blas, report, timed
from recsys.contract import Run
from recsys.models.demand.agents import Agents, agents_from
from recsys.models.demand.blp import BlpFit, Settings, fit_blp
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.panel import Panel
from recsys.models.demand.read import panel_from

FORMULAS = Formulas("prices", ("product",), "1 + prices + sugar + mushy", "income + income_squared + age + child")
START = Settings(
    sigma=(0.3302, 2.4526, 0.0163, 0.2441),
    pi=((5.4819, 0, 0.2037, 0), (15.8935, -1.2, 0, 2.6342), (-0.2506, 0, 0.0511, 0), (1.265, 0, -0.8091, 0)),
)
MORE = 2  # markets that arrive overnight
GOALS = (
    Goal("B1: as fast as bare pyblp", "ours, cold", ("pyblp, cold",), 1.10),
    Goal("B2: a warm start costs half", "ours, warm", ("ours, cold",), 0.50),
)
LEAST_EVALUATIONS, MOST_MEMORY = 0.25, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, dest="out")
    options = parser.parse_args()
    pin_blas()
    panel, agents = nevo()
    before = panel.take(panel.offers.market < len(panel.space.markets) - MORE)
    yesterday = fit_blp(before, FORMULAS, agents, START, Run())
    cold, warm = (fit_blp(panel, FORMULAS, agents, START, Run(start=s)) for s in (None, yesterday.state))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cases = {
        "ours, cold": timed(lambda: fit_blp(panel, FORMULAS, agents, START, Run())),
        "pyblp, cold": timed(bare),
        "ours, warm": timed(lambda: fit_blp(panel, FORMULAS, agents, START, Run(start=yesterday.state))),
    }
    found = report("Nevo, 94 markets x 24 cereals", measure(cases, options.repeats), GOALS)
    found |= counts(cold, warm, memory)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def counts(cold: BlpFit, warm: BlpFit, memory: float) -> dict[str, Any]:
    """What does not depend on the clock: evaluations, the optimum, memory."""
    share = warm.evaluations / cold.evaluations
    apart = abs(warm.demand.price_coefficient[0] / cold.demand.price_coefficient[0] - 1)
    print(f"{'met    ' if share <= LEAST_EVALUATIONS else 'NOT met'} B2: evaluations {warm.evaluations} of "
          f"{cold.evaluations} ({share:.2f}, goal {LEAST_EVALUATIONS}); price {warm.demand.price_coefficient[0]:.4f}, "
          f"{apart:.0e} apart")  # fmt: skip
    print(f"{'met    ' if memory < MOST_MEMORY else 'NOT met'} B3: peak memory {memory:.0f} MB, goal {MOST_MEMORY}")
    return {"evaluations": share, "apart": apart, "memory_mb": memory}


def nevo() -> tuple[Panel, Agents]:
    import pyblp

    panel = panel_from(pl.read_csv(pyblp.data.NEVO_PRODUCTS_LOCATION))
    people = pl.read_csv(pyblp.data.NEVO_AGENTS_LOCATION).drop("city_ids", "quarter")
    return panel, agents_from(people, panel.space.markets, 4)


def bare() -> None:
    """pyblp by itself, as its tutorial has it."""
    import pyblp

    pyblp.options.verbose = False
    products, agents = (pl.read_csv(f).to_pandas() for f in (pyblp.data.NEVO_PRODUCTS_LOCATION,
                                                             pyblp.data.NEVO_AGENTS_LOCATION))  # fmt: skip
    parts = (pyblp.Formulation("0 + prices", absorb="C(product_ids)"), pyblp.Formulation("1 + prices + sugar + mushy"))
    people = pyblp.Formulation("0 + income + income_squared + age + child")
    pyblp.Problem(parts, products, people, agents).solve(
        np.diag(START.sigma), np.array(START.pi), method="1s", optimization=pyblp.Optimization("bfgs", {"gtol": 1e-5}),
        iteration=pyblp.Iteration("squarem", {"atol": 1e-14}),
    )  # fmt: skip


if __name__ == "__main__":
    main()
