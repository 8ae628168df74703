"""The instrument health card: what must be true of a panel and a fit before anyone acts on its elasticities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recsys.contract import F64, I32
from recsys.errors import RecsysError
from recsys.models.demand import gates
from recsys.models.demand.gates import Card, Gate, Verdict
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import own_elasticities
from recsys.models.demand.system import Demand

Fit = Callable[[Panel], tuple[Demand, Card]]
MULTIPLES = (0.5, 1.0, 2.0)
RETAIL_PRICE = "retail_price"  # attribute: mean price of the lines below the bulk quantity
RETAIL_UNITS = "retail_units"
MAX_ZERO_SHARE = 0.20
FLAT_PRICE = 0.01  # coefficient of variation
MAX_FLAT = 0.50


def health_card(panel: Panel, demand: Demand, fit: Fit) -> Card:
    """Zero shares, price variation, market size and quantity discounts; `fit` is called on changed panels."""
    own = mean_own(demand)
    found = [*of_data(panel), *size_gates(panel, own, fit)]
    if RETAIL_PRICE in panel.columns:
        found += bulk_gates(panel, own, fit)
    return Card(tuple(found))


def of_data(panel: Panel, strict: bool = False) -> tuple[Gate, ...]:
    """Share of zero cells and of products whose price hardly moves; they fail only where `strict` (random
    coefficients), since the likelihood can count zeros."""
    zero, flat = zero_share(panel), flat_share(panel)
    bad = Verdict.FAILED if strict else Verdict.WARNED
    return (
        Gate("zero shares", bad if zero > MAX_ZERO_SHARE else Verdict.PASSED, zero, f"at most {MAX_ZERO_SHARE:.0%}",
             f"{zero:.0%} of offered products sold nothing in their market: use longer periods or fewer regions"),
        Gate("price variation", bad if flat > MAX_FLAT else Verdict.PASSED, flat,
             f"at most {MAX_FLAT:.0%} of products with a price that varies by less than {FLAT_PRICE:.0%}",
             f"{flat:.0%} of products have had one price: the data cannot say what another would do"),
    )  # fmt: skip


def zero_share(panel: Panel) -> float:
    return float((panel.shares == 0).mean())


def flat_share(panel: Panel) -> float:
    """Share of alternatives (seen in two markets or more) whose price varies by less than 1 % of its mean."""
    variation = price_variation(panel.offers.alternative, panel.offers.price)
    return float((variation < FLAT_PRICE).mean()) if len(variation) else 1.0


def price_variation(alternative: I32, price: F64) -> F64:
    """Coefficient of variation of the price of every alternative with at least two rows."""
    count = np.bincount(alternative)
    mean = np.bincount(alternative, price) / np.maximum(count, 1)
    spread = np.bincount(alternative, (price - mean[alternative]) ** 2) / np.maximum(count, 1)
    several = count > 1
    return np.asarray(np.sqrt(spread[several]) / np.maximum(mean[several], 1e-300))


def mean_own(demand: Demand) -> float:
    """Mean own elasticity over rows that sold."""
    return float(own_elasticities(demand)[demand.panel.shares > 0].mean())


def with_market_size(panel: Panel, multiple: float) -> Panel:
    """The panel as it were with `multiple` times the people."""
    offers = replace(panel.offers, size=panel.offers.size * multiple, shares=panel.shares / multiple)
    return replace(panel, offers=offers)


def retail_only(panel: Panel) -> Panel:
    """Prices and units of the lines below the bulk quantity alone."""
    units = panel.columns[RETAIL_UNITS]
    size = panel.offers.size[panel.offers.market]
    offers = replace(panel.offers, price=panel.columns[RETAIL_PRICE], units=units, shares=units / size)
    return replace(panel, offers=offers)


def size_gates(panel: Panel, own: float, fit: Fit) -> tuple[Gate, ...]:
    """Mean own elasticity (`own` as it is) with half and twice the people."""
    found = {1.0: own}
    for multiple in MULTIPLES:
        if multiple == 1.0:
            continue
        try:
            found[multiple] = mean_own(fit(with_market_size(panel, multiple))[0])
        except RecsysError:
            continue  # half the people may be fewer than the units sold
    return gates.of_size(found)


def bulk_gates(panel: Panel, own: float, fit: Fit) -> tuple[Gate, ...]:
    """Mean own elasticity (`own` as it is) without bulk lines."""
    try:
        return gates.of_bulk(own, mean_own(fit(retail_only(panel))[0]))
    except RecsysError as error:
        return (Gate("quantity discounts", Verdict.WARNED, np.nan, "a fit without bulk lines", str(error)),)
