"""What went into a panel and what did not, and what a demand model may ask of it, before any estimation starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.contract import Offers
from recsys.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MAX_ZERO_SHARE = 0.20
MAX_FLAT = 0.50
FLAT_PRICE = 0.01
LEAST_MARKETS = 20


@dataclass(frozen=True)
class Sum:
    """Order lines as three numbers."""

    lines: int = 0
    units: float = 0.0
    revenue: float = 0.0

    @classmethod
    def of(cls, lines: pl.DataFrame) -> Sum:
        money = (lines["quantity"].cast(float) * lines["price"].fill_null(0.0)).sum()
        return cls(len(lines), float(lines["quantity"].cast(float).sum()), float(money))

    def minus(self, other: Sum) -> Sum:
        return Sum(self.lines - other.lines, self.units - other.units, self.revenue - other.revenue)


@dataclass(frozen=True)
class Account:
    """Everything that came in, and what was left out for which reason: given = kept + dropped."""

    given: Sum
    dropped: Mapping[str, Sum] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: pl.DataFrame) -> Account:
        """Sale and other lines; a return counts where it takes units back."""
        return cls(Sum.of(lines.filter(lines["kind"] != "return")))

    @property
    def kept(self) -> Sum:
        rest = self.given
        for part in self.dropped.values():
            rest = rest.minus(part)
        return rest

    def without(self, reason: str, lines: pl.DataFrame) -> Account:
        return Account(self.given, {**self.dropped, reason: Sum.of(lines)} if len(lines) else self.dropped)

    def less(self, reason: str, before: pl.DataFrame, after: pl.DataFrame) -> Account:
        gone = Sum.of(before).minus(Sum.of(after))
        return Account(self.given, {**self.dropped, reason: gone} if gone.units or gone.lines else self.dropped)

    def require(self, units: float) -> None:
        """Raises DataError unless the panel holds exactly the units that were kept."""
        if abs(units - self.kept.units) > 1e-6 * max(1.0, self.kept.units):
            raise DataError("The product x market panel", got=f"{units:,.6g} units", wanted=f"{self.kept.units:,.6g}",
                            cure="Report this: a unit was lost or counted twice.")  # fmt: skip

    def json(self) -> dict[str, Any]:
        parts = {reason: asdict(part) for reason, part in self.dropped.items()}
        return {"given": asdict(self.given), "kept": asdict(self.kept), "dropped": parts}


@dataclass(frozen=True)
class DataReport:
    """What a panel can bear; shares are of rows unless said otherwise."""

    markets: int
    alternatives: int
    composites: int
    rows: int
    zero_share: float
    single_order_share: float  # of cells that sold: exactly one unit
    price_variation: float  # median coefficient of variation within an alternative
    flat_share: float  # of alternatives whose price varies by less than 1 %
    seller_concentration: float  # Herfindahl index of units by seller
    top_five_sellers: float  # share of units
    single_item_share: float  # of orders: one product
    rungs: Mapping[str, str]  # what each rung would need, "" = nothing

    def json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def bearable(self) -> tuple[str, ...]:
        """Rungs the data can bear."""
        return tuple(name for name, lacks in self.rungs.items() if not lacks)


def data_report(offers: Offers, lines: pl.DataFrame) -> DataReport:
    """`lines` are the kept ones."""
    import polars as pl

    units = np.zeros(len(offers.market)) if offers.units is None else offers.units
    by_seller = np.sort(np.bincount(np.maximum(offers.firm, 0), units))[::-1] / max(units.sum(), 1e-300)
    variation = _variation(offers)
    sizes = lines.group_by("order").agg(n=pl.col("product").n_unique())["n"]
    found = DataReport(
        markets=len(np.unique(offers.market)),
        alternatives=len(np.unique(offers.alternative)),
        composites=sum(str(a).startswith("~") for a in offers.alternatives.ids),
        rows=len(offers.market),
        zero_share=float((units == 0).mean()),
        single_order_share=float((units[units > 0] == 1).mean()) if (units > 0).any() else 0.0,
        price_variation=float(np.median(variation)) if len(variation) else 0.0,
        flat_share=float((variation < FLAT_PRICE).mean()) if len(variation) else 1.0,
        seller_concentration=float((by_seller**2).sum()),
        top_five_sellers=float(by_seller[:5].sum()),
        single_item_share=float((sizes.to_numpy() == 1).mean()),
        rungs={},
    )
    return DataReport(**{**asdict(found), "rungs": _rungs(found, offers)})


def _rungs(found: DataReport, offers: Offers) -> dict[str, str]:
    """What each rung of the ladder lacks."""
    zero = f"{found.zero_share:.0%} zero shares (at most {MAX_ZERO_SHARE:.0%}): longer periods or fewer regions"
    flat = f"{found.flat_share:.0%} of prices never move (at most {MAX_FLAT:.0%})"
    few = f"{found.markets} markets (at least {LEAST_MARKETS})" if found.markets < LEAST_MARKETS else ""
    instruments = "" if offers.instruments is not None else "instruments: costs, or more than one region"
    nests = "" if offers.nests is not None and len(np.unique(offers.nests)) > 1 else "categories to nest by"
    no_zeros = zero if found.zero_share > MAX_ZERO_SHARE else ""
    moving = flat if found.flat_share > MAX_FLAT else ""
    return {
        "shares": "",
        "logit": "; ".join(filter(None, (few, instruments))),
        "nested_logit": "; ".join(filter(None, (few, instruments, nests, no_zeros))),
        "blp": "; ".join(filter(None, (few, instruments, no_zeros, moving))),
    }


def _variation(offers: Offers) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Coefficient of variation of the price of every alternative seen in two markets or more."""
    count = np.bincount(offers.alternative)
    mean = np.bincount(offers.alternative, offers.price) / np.maximum(count, 1)
    off = (offers.price - mean[offers.alternative]) ** 2
    spread = np.bincount(offers.alternative, off) / np.maximum(count, 1)
    several = count > 1
    return np.asarray(np.sqrt(spread[several]) / np.maximum(mean[several], 1e-300))
