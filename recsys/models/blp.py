"""BLP: random-coefficients logit, made personal by re-weighting its taste draws with a customer's own purchases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np

from recsys.contract import F64, Dataset, Fitted, Part, Run, Split
from recsys.models.demand import gates
from recsys.models.demand.agents import Agents, Rule, draw
from recsys.models.demand.blp import BlpFit, Settings, fit_blp, look_at
from recsys.models.demand.blp_health import blp_health
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Card
from recsys.models.demand.health import of_data
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import own_elasticities
from recsys.models.demand.report import nightly_tables, report_of
from recsys.models.demand.system import panel_of
from recsys.models.settings import Range
from recsys.scorers import terms
from recsys.scorers.choice import ChoiceScorer

COLD_STARTS = 3
HISTORY_WEIGHTS = (0.0, 0.25, 0.5, 1.0)
PRODUCT_RULE = 3  # random coefficients up to which a product rule is used
HALTON = 500


@dataclass(frozen=True)
class Blp:
    """Random coefficients on the terms of `random`, integrated over `nodes` per coefficient by a product rule or over
    Halton points (`nodes`, at least 500); auto: a product rule up to three coefficients."""

    family: ClassVar[str] = "blp"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.OFFERS, Part.EVENTS, Part.VALIDATION})

    utility: str = "prices"
    effects: tuple[str, ...] = ("product", "segment", "period")
    random: str = "prices"
    demographics: str = ""  # customer feature columns, averaged by segment
    instruments: tuple[str, ...] = ()
    nodes: Annotated[int, Range(2, 5000)] = 7
    rule: Literal["auto", "product", "halton"] = "auto"
    method: Literal["1s", "2s"] = "1s"  # steps of GMM
    optimal_instruments: bool = True
    history_weight: Annotated[float, Range(0, 1)] | None = None  # None: tuned on validation, else 0.5

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when the search fails or the deadline passes, RefusedError when a gate fails."""
        panel = panel_of(data)
        early = Card(of_data(panel, strict=True))
        early.require("blp", {"gates": early.json()})
        agents = self.agents(panel, data)
        found = self.estimate(panel, agents, run)
        card = early.joined(found.card.gates).joined(self._of_nodes(panel, found, data))
        card = card.joined(blp_health(panel, self._formulas, agents, found, self.method))
        report = report_of(found.demand, card) | {"evaluations": found.evaluations}
        card.require("blp", report)
        scorer = found.demand.scorer()
        weight = _history_weight(scorer, run.validation) if self.history_weight is None else self.history_weight
        report |= {"history_weight": weight} | nightly_tables(found.demand)
        state = found.state if found.demand.basis is None else found.state | {"basis": found.demand.basis}
        return Fitted(replace(scorer, history_weight=weight), state, report)

    def estimate(self, panel: Panel, agents: Agents, run: Run) -> BlpFit:
        """The demand system and its own gates, on any panel; three starts when there is no last night."""
        starts = 1 if run.start else COLD_STARTS
        settings = Settings(method=self.method, optimal_instruments=self.optimal_instruments, starts=starts)
        return fit_blp(panel, self._formulas, agents, settings, run)

    def agents(self, panel: Panel, data: Dataset, double: bool = False) -> Agents:
        """The same draws in every market and every night; demographics are means of the segment's customers."""
        k = len(terms.parse(self.random))
        names = terms.parse(self.demographics)
        fits: Rule = "product" if k <= PRODUCT_RULE else "halton"
        rule: Rule = fits if self.rule == "auto" else self.rule
        size = self.nodes if rule == "product" else max(self.nodes, HALTON)
        means = _segment_means(data, names, panel) if names else None
        people = draw(len(panel.space.markets), k, rule, 2 * size if double else size, means)
        return replace(people, names=names)

    @property
    def _formulas(self) -> Formulas:
        return Formulas(self.utility, self.effects, self.random, self.demographics, self.instruments)

    def _of_nodes(self, panel: Panel, found: BlpFit, data: Dataset) -> tuple[gates.Gate, ...]:
        """The same parameters looked at with twice the nodes."""
        sigma, pi = np.diag(found.state["sigma"]), found.state["pi"]
        finer = look_at(panel, self._formulas, self.agents(panel, data, double=True), sigma, pi, self.method)
        same = look_at(panel, self._formulas, self.agents(panel, data), sigma, pi, self.method)
        own, own_finer = (float(own_elasticities(f.demand).mean()) for f in (same, finer))
        (alpha, se), alpha_finer = same.demand.price_coefficient, finer.demand.price_coefficient[0]
        return gates.of_nodes(alpha, alpha_finer, se, own, own_finer)


def _segment_means(data: Dataset, names: tuple[str, ...], panel: Panel) -> F64:
    """[markets, d] mean of customer features over the customers of each market's segment; unknown: over all."""
    columns = data.customer_features.columns.rows(names)
    table = np.asarray(data.customer_features.matrix[:, columns].todense(), dtype=np.float64)
    segments = len(data.space.segments)
    known = data.customer_segment >= 0
    count = np.bincount(data.customer_segment[known], minlength=segments)[:, None]
    sums = np.column_stack([np.bincount(data.customer_segment[known], c[known], minlength=segments) for c in table.T])
    mean = np.where(count > 0, sums / np.maximum(count, 1), table.mean(axis=0))
    of = np.full(len(panel.space.markets), -1)
    of[panel.offers.market] = panel.segment
    return np.asarray(np.vstack([mean, table.mean(axis=0)])[of])


def _history_weight(scorer: ChoiceScorer, validation: Split | None) -> float:
    """How much own purchases count: the weight under which hidden purchases are likeliest."""
    if validation is None or not len(validation.truth.product):
        return 0.5
    truth = validation.truth
    owner = np.repeat(np.arange(len(truth)), np.diff(truth.start))

    def likelihood(weight: float) -> float:
        scores = replace(scorer, history_weight=weight).score(validation.queries)
        chance = scores[owner, np.maximum(truth.product, 0)].astype(np.float64)
        known = (truth.product >= 0) & np.isfinite(chance) & (chance > 0)
        return float(np.log(chance[known]).mean()) if known.any() else -np.inf

    return max(HISTORY_WEIGHTS, key=likelihood)
