"""Logit: by default multinomial logit by maximum likelihood with a control function, which survives zero shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from recsys.contract import Dataset, Fitted, Part, Run
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Card
from recsys.models.demand.health import health_card
from recsys.models.demand.mnl_control import fit_mnl
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import fit_logit
from recsys.models.demand.report import nightly_tables, report_of
from recsys.models.demand.system import Demand, panel_of
from recsys.models.settings import Range


@dataclass(frozen=True)
class Logit:
    """Choice probabilities in proportion to exp(utility); see recsys.models.demand.formulas for the words."""

    family: ClassVar[str] = "logit"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.OFFERS})

    utility: str = "prices"
    effects: tuple[str, ...] = ("product", "segment", "period")
    instruments: tuple[str, ...] = ()
    method: Literal["ml", "2sls", "gmm", "ols"] = "ml"
    ridge: Annotated[float, Range(0, 1e6)] = 0.0
    draws: Annotated[int, Range(0, 10_000)] = 20  # of the bootstrap over markets

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError without offers or usable instruments, RefusedError when a gate fails."""
        panel = panel_of(data)
        demand, card = self.estimate(panel, run)
        card = card.joined(health_card(panel, demand, lambda p: self.estimate(p, run, draws=0)).gates)
        report = report_of(demand, card)
        card.require(f"logit ({demand.rung})", report)
        return Fitted(demand.scorer(), report=report | nightly_tables(demand))

    def estimate(self, panel: Panel, run: Run, draws: int | None = None) -> tuple[Demand, Card]:
        """The demand system and its own gates, on any panel."""
        formulas = Formulas(self.utility, self.effects, instruments=self.instruments)
        if self.method == "ml":
            return fit_mnl(panel, formulas, run, self.draws if draws is None else draws)
        return fit_logit(panel, formulas, self.method, self.ridge)
