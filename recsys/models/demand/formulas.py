"""The formulas of a demand model, as recsys.toml writes them, and the columns they stand for.

| setting | stands for | in the paper |
|---|---|---|
| utility | columns of mean utility, `prices` among them | X1, alpha and beta |
| effects | absorbed levels: product, segment, period, market, firm or a column of the panel | xi_j, xi_t |
| random | columns whose coefficients differ between people; `1` is the constant | X2, Sigma |
| demographics | columns of the agents that shift those coefficients | d, Pi |
| instruments | names or prefixes of the panel's instruments; empty: all of them | Z |
| costs | columns of log marginal cost; empty: no supply side | X3, gamma |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, Flags
from recsys.errors import ConfigError
from recsys.models.demand.ols_iv import Linear
from recsys.models.demand.panel import Panel
from recsys.scorers import terms


@dataclass(frozen=True)
class Formulas:
    """What a demand model is made of."""

    utility: str = "prices"
    effects: tuple[str, ...] = ("product",)
    random: str = ""
    demographics: str = ""
    instruments: tuple[str, ...] = ()
    costs: str = ""

    @property
    def linear(self) -> tuple[str, ...]:
        """Terms of mean utility; the constant goes where effects hold it."""
        parts = terms.parse(self.utility)
        return tuple(t for t in parts if t != terms.CONSTANT) if self.effects else parts

    @property
    def tastes(self) -> tuple[str, ...]:
        return terms.parse(self.random)


def linear_problem(panel: Panel, formulas: Formulas, y: F64, rows: Flags, ridge: float = 0.0) -> Linear:
    """y = X beta + effects + xi on the flagged rows, every term that holds the price endogenous."""
    kept = panel.take(rows)
    names = formulas.linear
    return Linear(
        y=y[rows],
        X=terms.design(names, kept.columns, len(kept)),
        names=names,
        endogenous=endogenous(names),
        Z=instruments(panel, formulas)[rows],
        effects=kept.effects(formulas.effects),
        clusters=_clusters(kept),
        ridge=ridge,
        instrument_names=instrument_names(panel, formulas),
    )


def endogenous(names: tuple[str, ...]) -> Flags:
    """Terms the seller sets after seeing the demand shock: those with the price in them."""
    return np.array([terms.PRICE in terms.names_in(name) for name in names], dtype=bool)


def instrument_names(panel: Panel, formulas: Formulas) -> tuple[str, ...]:
    """The panel's instruments that the formulas ask for; raises ConfigError on a name that fits none."""
    given = panel.offers.instrument_names
    if not formulas.instruments:
        return given
    for wanted in formulas.instruments:
        if not any(name.startswith(wanted) for name in given):
            raise ConfigError("Instruments", got=repr(wanted), wanted=" or ".join(given) or "a panel with instruments")
    return tuple(n for n in given if n.startswith(formulas.instruments))


def instruments(panel: Panel, formulas: Formulas) -> F64:
    """[n, z] excluded instruments."""
    if panel.offers.instruments is None:
        return np.empty((len(panel), 0))
    names = instrument_names(panel, formulas)
    return panel.offers.instruments[:, [panel.offers.instrument_names.index(n) for n in names]]


def _clusters(panel: Panel) -> I32 | None:
    if panel.offers.clusters is None:
        return None
    return np.unique(panel.offers.clusters, return_inverse=True)[1].astype(np.int32)
