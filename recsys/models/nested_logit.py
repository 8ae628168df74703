"""Nested logit: products of a category stand in for one another more than for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from recsys.contract import Dataset, Fitted, Part, Run
from recsys.models.demand import nested_logit
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Card
from recsys.models.demand.health import health_card
from recsys.models.demand.panel import Panel
from recsys.models.demand.report import nightly_tables, report_of
from recsys.models.demand.system import Demand, panel_of
from recsys.models.settings import Range


@dataclass(frozen=True)
class NestedLogit:
    """Instrumented nested logit on the panel's nests."""

    family: ClassVar[str] = "nested_logit"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.OFFERS})

    utility: str = "prices"
    effects: tuple[str, ...] = ("product", "segment", "period")
    instruments: tuple[str, ...] = ()
    method: Literal["2sls", "gmm"] = "2sls"
    ridge: Annotated[float, Range(0, 1e6)] = 0.0

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError without offers or usable instruments, RefusedError when a gate fails."""
        panel = panel_of(data)
        demand, card = self.estimate(panel, run)
        card = card.joined(health_card(panel, demand, lambda p: self.estimate(p, run)).gates)
        report = report_of(demand, card)
        card.require("nested_logit", report)
        return Fitted(demand.scorer(), report=report | nightly_tables(demand))

    def estimate(self, panel: Panel, run: Run) -> tuple[Demand, Card]:
        """The demand system and its own gates, on any panel."""
        formulas = Formulas(self.utility, self.effects, instruments=self.instruments)
        return nested_logit.fit_nested(panel, formulas, self.method, self.ridge)
