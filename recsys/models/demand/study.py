"""A demand study on one panel: the ladder or one rung, its gates, its health card and its tables, as one JSON."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsys.contract import Run
from recsys.errors import ConfigError, FitError, RefusedError
from recsys.models.demand.agents import Agents, draw
from recsys.models.demand.blp import Settings, fit_blp
from recsys.models.demand.blp_health import blp_health
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Card
from recsys.models.demand.health import flat_share, health_card, of_data, zero_share
from recsys.models.demand.ladder import Climb, Fit, climb
from recsys.models.demand.mnl_control import fit_mnl
from recsys.models.demand.nested_logit import fit_nested
from recsys.models.demand.panel import Panel, require_choice
from recsys.models.demand.plain_logit import fit_logit
from recsys.models.demand.report import report_of
from recsys.models.demand.system import Demand
from recsys.models.demand.tables import tables
from recsys.models.settings import check

RungName = Literal["auto", "ols", "iv", "gmm", "logit", "nested_logit", "blp"]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Spec:
    """What to estimate and how: the keys of a specification file."""

    utility: str = "prices"
    effects: tuple[str, ...] = ()
    random: str = ""
    demographics: str = ""
    instruments: tuple[str, ...] = ()
    costs: str = ""
    nodes: int = 7  # per random coefficient, or points of the halton rule; where no agents are given
    rule: Literal["product", "halton"] = "product"
    draws: int = 50  # of the bootstrap
    blp: Settings = field(default_factory=Settings)

    @property
    def formulas(self) -> Formulas:
        return Formulas(self.utility, self.effects, self.random, self.demographics, self.instruments, self.costs)


def read_spec(path: Path) -> Spec:
    """A specification from TOML; raises ConfigError that names the key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}", got=error, wanted="a TOML file with a specification") from None
    blp = check(Settings, _tuples(raw.pop("blp", {})), f"{path.name}: blp")
    plain = check(Spec, _tuples(raw), path.name)
    return Spec(**plain, blp=Settings(**blp))


def study(
    panel: Panel, spec: Spec, agents: Agents | None, rung: RungName, run: Run, tell: Tell
) -> tuple[Demand, dict[str, Any]]:
    """(the demand system, JSON-ready: schema in docs/demand.md); `eligible` is false where a gate failed."""
    found: dict[str, Any] = {"panel": panel_numbers(require_choice(panel))}
    fits = fits_of(panel, spec, agents, run)
    if rung == "auto":
        reached = climb(panel, {name: fits[name] for name in _ladder(panel, spec)}, tell)
        found["ladder"] = [r.json() for r in reached.rungs]
        name = next(r.name for r in reversed(reached.rungs) if r.climbed)
    else:
        tell(f"{rung}: fitting on {found['panel']['markets']} markets")
        reached, name = Climb(*fits[rung](panel), rungs=()), rung
    tell("health card: other market sizes, no bulk lines")
    quick = fits_of(panel, replace(spec, draws=0), agents, run)
    card = reached.card
    if name == "blp":  # its own health card asks at its tastes: another search per question would take as long again
        card = card.joined(of_data(panel, strict=True))
    else:
        card = card.joined(health_card(panel, reached.demand, quick[name]).gates)
    tell("tables with intervals")
    found |= report_of(reached.demand, card) | {"tables": tables(reached.demand, seed=run.seed)}
    return reached.demand, found


def require(found: dict[str, Any]) -> None:
    """Raises RefusedError when the study's fit is not eligible."""
    if not found["eligible"]:
        failed = [g for g in found["gates"] if g["verdict"] == "failed"]
        words = "; ".join(f"{g['name']}: {g['words'] or g['wanted']}" for g in failed)
        raise RefusedError(f"{found['rung']} did not pass its gates: {words}", report=found,
                           cure="Do not act on these elasticities.")  # fmt: skip


def fits_of(panel: Panel, spec: Spec, agents: Agents | None, run: Run) -> dict[str, Fit]:
    """Every rung as a function of a panel."""
    formulas = spec.formulas

    def blp(p: Panel) -> tuple[Any, Card]:
        if not formulas.tastes:
            raise ConfigError("random", got="no random coefficient", wanted="for example `1 + prices`")
        people = agents or draw(len(panel.space.markets), len(formulas.tastes), spec.rule, spec.nodes)
        if spec.demographics and agents is None:
            raise FitError("demographics", got="no agents", wanted="people with demographics", cure="Give --agents.")
        fit = fit_blp(p, formulas, people, spec.blp, run)
        return fit.demand, fit.card.joined(blp_health(p, formulas, people, fit, spec.blp.method))

    return {
        "ols": lambda p: fit_logit(p, formulas, "ols"),
        "iv": lambda p: fit_logit(p, formulas, "2sls"),
        "gmm": lambda p: fit_logit(p, formulas, "gmm"),
        "logit": lambda p: fit_mnl(p, formulas, run, spec.draws),
        "nested_logit": lambda p: fit_nested(p, formulas),
        "blp": blp,
    }


def panel_numbers(panel: Panel) -> dict[str, Any]:
    """What the panel is, before anything is estimated."""
    o = panel.offers
    return {
        "rows": len(panel),
        "markets": len(np.unique(o.market)),
        "products": len(np.unique(o.alternative)),
        "firms": len(np.unique(o.firm)),
        "instruments": list(o.instrument_names),
        "attributes": list(o.attribute_names),
        "outside_share": float(np.mean(panel.outside)),
        "zero_share": zero_share(panel),
        "flat_share": flat_share(panel),
    }


def _ladder(panel: Panel, spec: Spec) -> list[str]:
    """The rungs that this panel and specification have."""
    names = ["logit"]
    if panel.offers.nests is not None and len(np.unique(panel.offers.nests)) > 1:
        names.append("nested_logit")
    if spec.formulas.tastes:
        names.append("blp")
    return names


def _tuples(tree: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples of numbers or text, whole numbers as they are."""

    def fixed(value: Any) -> Any:
        return tuple(fixed(v) for v in value) if isinstance(value, list) else value

    return {k: fixed(v) for k, v in tree.items()}
