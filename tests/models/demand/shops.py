"""The simulated marketplace as order lines and listing, in the form the panel is built from."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import polars as pl

from recsys.config import Markets
from recsys.contract import DAY, EMPTY, Space
from recsys.data.marketplace import NON_PRODUCTS, Marketplace, Size
from recsys.data.markets import period_name
from recsys.data.offers import Built, build_offers
from recsys.data.simulate import simulate
from recsys.scorers.choice import ChoiceScorer

TIME = "%Y-%m-%dT%H:%M:%SZ"


@functools.cache
def marketplace(size: Size) -> Marketplace:
    return simulate(size)


def order_lines(market: Marketplace) -> pl.DataFrame:
    at = pl.col("time").str.to_datetime(TIME)
    kinds = {True: "non_product", False: "sale"}
    category = dict(market.products.select("product", "category").iter_rows())
    lines = market.orders.with_columns(
        time=at.dt.epoch("s"), day=at.dt.epoch("d").cast(pl.Int32), quantity=pl.col("quantity").cast(pl.Float64),
        kind=pl.col("product").is_in(NON_PRODUCTS).replace_strict(kinds, return_dtype=pl.String),
        category=pl.col("product").replace_strict(category, default=None, return_dtype=pl.String),
    )  # fmt: skip
    back = pl.col("quantity") < 0
    return lines.with_columns(kind=pl.when(back).then(pl.lit("return")).otherwise("kind"))


def panel(market: Marketplace, least_orders: float = 3.0) -> Built:
    """The panel of a marketplace with its listing: what was offered, at what price and cost."""
    truth, lines = market.truth, order_lines(market)
    listing = market.prices.with_columns(day=pl.col("week").str.to_datetime(TIME).dt.epoch("d"))
    space = Space(EMPTY, truth.products, truth.sellers, truth.segments)
    markets = Markets(least_orders=least_orders, least_segment=0.0)
    return build_offers(lines, space, int(lines["day"].max()), markets, listing)


def experiment_responses(scorer: ChoiceScorer, market: Marketplace) -> tuple[np.ndarray, np.ndarray]:
    """(predicted, true) log change of demand in every price experiment of the marketplace."""
    truth, e = market.truth, market.truth.experiments
    predicted = np.full(len(e.product), np.nan)
    for i, (j, s, w) in enumerate(zip(e.product, e.segment, e.week, strict=True)):
        name = f"{truth.segments.ids[s]}@{period_name(truth.start // DAY + 7 * int(w), 'week')}"
        row = scorer.space.markets.row(name)
        at = scorer.rows_of(row) if row >= 0 else np.empty(0, np.int32)
        place = np.flatnonzero(scorer.offers.alternative[at] == scorer.offers.composite_of[j])
        if not len(place):
            continue
        choice = scorer.market(row)
        price = choice.price.copy()
        price[place[0]] = e.planned[i]
        planned = dataclasses.replace(choice, price=price)
        predicted[i] = np.log(planned.response(int(place[0]), float(e.charged[i]), float(scorer.offers.within[j])))
    with np.errstate(invalid="ignore"):
        return predicted, np.log(e.response)
