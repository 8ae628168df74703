"""A marketplace of customised apparel whose truth is known.

Utility of product j for person i of segment s in week w (random-coefficients logit, Berry, Levinsohn and Pakes 1995):

    V_ijw = quality_j + segment_effect_sj + shock_sjw + taste_i . loading_j - price_coefficient_i price_sjw
            + repeat_effect_j [i bought j before]

with a Gumbel error per visit and an outside option of utility 0. With product k in the basket the next item is
another such choice: exp(V_ijw) is multiplied by 1 + complements_kj, and adding nothing has strength `enough`.

Here p = people (the customers first, then people who only ever buy as guests), m = products, s = segments,
w = weeks, f = taste dimensions. Prices and costs are in the shop's currency; a day is counted from 0 at `start`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.contract import DAY, F32, F64, I32, Events, Flags, Index, Rows
from recsys.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

WEEK = 7  # days
CROWD = 300  # people that stand for everybody of whom nothing is known
NON_PRODUCTS = ("SETUP", "SHIP")  # fee lines found in orders: an artwork set-up and the parcel


@dataclass(frozen=True)
class Size:
    """How large a marketplace to draw, and from which seed."""

    customers: int = 600
    products: int = 120
    sellers: int = 8
    segments: int = 3
    days: int = 90
    seed: int = 0
    orders_per_customer: float = 12.0  # mean over the whole period

    def __post_init__(self) -> None:
        least = {"customers": 20, "products": 30, "sellers": 2, "segments": 2, "days": 28}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise UsageError(f"simulate --{name}", got=getattr(self, name), wanted=f"at least {low}")
        if self.products < 3 * self.sellers:
            raise UsageError(
                "simulate", got=f"{self.products} products for {self.sellers} sellers", wanted="3 products per seller"
            )

    @property
    def weeks(self) -> int:
        return -(-self.days // WEEK)


PRESETS = {
    "small": Size(),
    "demo": Size(customers=6_000, products=800, sellers=40, segments=4, days=180),
    "large": Size(customers=30_000, products=2_000, sellers=100, segments=6, days=365),
}


@dataclass(frozen=True)
class Experiments:
    """Randomised price changes: one row per product, segment and week; all arrays [e]."""

    product: I32
    segment: I32
    week: I32
    planned: F64  # the price without the experiment
    charged: F64
    response: F64  # true expected units at the charged price / at the planned one, everything else equal


@dataclass(frozen=True)
class Logging:
    """The policy that filled the slates, and how people click. Position k is drawn without replacement."""

    arms: tuple[str, ...]  # random, popular, personal
    traffic: F64  # [arms] share of visitors, sticky
    shelf: I32  # [w, c] products a slate is drawn from in a week
    popularity: F64  # [w, c] logits of the popular arm
    guess: F32  # [p, f] what the personal arm believes a person's tastes are
    explore: float  # every arm plays the uniform policy with this probability, so no propensity is near 0
    examine: F64  # [positions] probability that a position is looked at
    appeal: F64  # (intercept, slope): P(click | looked at) = 1 / (1 + exp(-(intercept + slope V)))


@dataclass(frozen=True)
class MarketTruth:
    """Everything the files do not say."""

    customers: Index
    products: Index
    sellers: Index
    segments: Index
    start: int  # epoch second of day 0
    days: int
    segment: I32  # [p]
    rate: F64  # [p] visits per day before trend and weekday
    joined: I32  # [p] first day on which a person visits
    taste: F32  # [p, f]
    loading: F32  # [m, f]
    taste_names: tuple[str, ...]  # [f] `type:mug`, `theme:cats`, `colour:navy`, `latent:0`
    price_coefficient: F32  # [p] > 0
    quality: F32  # [m] includes the seller's strength and the category's constant
    segment_effect: F32  # [s, m]
    repeat_effect: F32  # [m] > 0 for things bought again
    shock: F32  # [s, m, w] demand nobody recorded; sellers saw it when they set prices
    price: F32  # [s, m, w] charged
    cost: F32  # [m, w]
    offered: Flags  # [m, days]
    seller: I32  # [m]
    design: I32  # [m] variants share one
    complements: Rows  # [m, m] once the row is in the basket, exp(V) of the column is 1 + this times as large
    enough: float  # exp(utility) of adding nothing more to a basket
    elasticity: F64  # [s, m] own price elasticity on the last day, NaN where not offered
    experiments: Experiments
    logging: Logging
    purchases: Events  # one row per customer

    @property
    def last_day(self) -> int:
        return self.days - 1

    def day_of(self, time: int) -> int:
        """Day number of an epoch second."""
        return (time - self.start) // DAY


@dataclass(frozen=True)
class Marketplace:
    """The tables a shop would hand over, and the truth behind them."""

    orders: pl.DataFrame  # one row per order line, oldest first; returns are lines of negative quantity
    products: pl.DataFrame
    customers: pl.DataFrame
    exposures: pl.DataFrame  # one row per slate position
    prices: pl.DataFrame  # list price, cost and days on offer per product, segment and week
    truth: MarketTruth
