"""Chance x margin^b: hand-worked orders, a frontier that trades relevance for revenue, limits that hold."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import DataError
from recsys.ranking.rerank import Candidates, choose_power, discounts, frontier, rerank, weigh
from tests.ranking.forty_sellers import shelf

THREE = Candidates(np.array([[4, 0, 2, -1]], dtype=np.int32), np.array([[0.4, 0.2, 0.1, np.nan]]))
MARGIN = np.array([4.0, 9.0, 100.0, 9.0, 1.0])


def test_orders_by_hand() -> None:
    assert rerank(THREE, MARGIN, 0.0, 4).tolist() == [[4, 0, 2, -1]]
    assert rerank(THREE, MARGIN, 0.5, 2).tolist() == [[2, 4]]  # .1 x 10, .4 x 1 and .2 x 2 tie: first column
    assert rerank(THREE, MARGIN, 1.0, 4).tolist() == [[2, 0, 4, -1]]
    assert weigh(THREE, MARGIN, 0.5)[0, :3] == pytest.approx([0.4, 0.4, 1.0])
    assert np.isnan(weigh(THREE, MARGIN, 0.5)[0, 3])


def test_a_loss_maker_comes_last_once_money_counts() -> None:
    losing = np.array([4.0, 9.0, -3.0, 9.0, 1.0])
    assert rerank(THREE, losing, 0.0, 3).tolist() == [[4, 0, 2]]
    assert rerank(THREE, losing, 0.25, 3)[0, 2] == 2


def market(n: int = 300, m: int = 80) -> tuple[Candidates, np.ndarray, np.ndarray]:
    """Dear products are bought less often, margins vary beyond price."""
    rng = np.random.default_rng(0)
    price = np.exp(rng.normal(3, 0.6, m))
    margin = price * rng.uniform(0.1, 0.5, m)
    chance = 1 / (1 + np.exp(-(rng.normal(size=(n, m)) - 3 - 0.02 * price)))
    return Candidates(np.tile(np.arange(m, dtype=np.int32), (n, 1)), chance), margin, price


def test_the_frontier_gives_relevance_for_revenue() -> None:
    candidates, margin, price = market()
    points = frontier(candidates, margin, 10, price)
    relevance, revenue = [p.relevance for p in points], [p.revenue for p in points]
    assert (points[0].power, points[0].relevance, points[0].revenue_share, points[0].price_shift) == (0, 1, 1, 0)
    assert relevance == sorted(relevance, reverse=True)
    assert revenue == sorted(revenue)
    quarter = next(p for p in points if p.power == 0.25)
    assert quarter.relevance > 0.95
    assert quarter.revenue_share > 1.1
    assert points[-1].price_shift > quarter.price_shift > 0
    shown = rerank(candidates, margin, 0.25, 10)
    by_hand = (np.take_along_axis(candidates.chance, shown.astype(np.int64), 1) * margin[shown] * discounts(10)).sum(1)
    assert quarter.revenue == pytest.approx(by_hand.mean())


def test_power_one_is_the_best_for_revenue() -> None:
    candidates, margin, _ = market()
    best = frontier(candidates, margin, 5, powers=[1.0])[0].revenue
    order = np.sort(candidates.chance * margin, axis=1)[:, ::-1][:, :5]
    assert best == pytest.approx((order * discounts(5)).sum(axis=1).mean())


def test_the_largest_power_within_the_limits() -> None:
    candidates, margin, price = market()
    points = frontier(candidates, margin, 10, price)
    chosen = choose_power(points, relevance=0.95, price_shift=1.0)
    fit = next(p for p in points if p.power == chosen)
    assert fit.relevance >= 0.95
    assert all(p.relevance < 0.95 for p in points if p.power > chosen)
    assert choose_power(points, relevance=0.0, price_shift=0.02) < choose_power(points, relevance=0.0, price_shift=1.0)
    assert choose_power(points, relevance=2.0) == 0.0


@pytest.mark.parametrize("power", [-0.1, 1.5])
def test_settings_that_make_no_sense(power: float) -> None:
    with pytest.raises(DataError, match="power"):
        rerank(THREE, MARGIN, power, 2)
    with pytest.raises(DataError, match="margins not finite"):
        rerank(THREE, np.array([1.0, np.nan, 1.0, 1.0, 1.0]), 0.5, 2)
    with pytest.raises(DataError, match="calibrated"):
        Candidates(np.array([[0]], dtype=np.int32), np.array([[1.7]]))


def test_margins_on_the_marketplace_trade_a_little_relevance_for_money() -> None:
    """Forty sellers, true chances, real costs: b within the limits earns more, and no more than b = 1 does."""
    market = shelf()
    points = frontier(market.candidates, market.margin, 10, market.price)
    relevance, revenue = [p.relevance for p in points], [p.revenue for p in points]
    assert relevance == sorted(relevance, reverse=True)
    assert revenue == sorted(revenue)
    power = choose_power(points)
    chosen = next(p for p in points if p.power == power)
    assert power >= 0.25
    assert chosen.relevance >= 0.97
    assert chosen.revenue_share > 1.01
    shown = rerank(market.candidates, market.margin, power, 10)
    sellers = {
        len(np.unique(market.seller[lists])) for lists in (rerank(market.candidates, market.margin, 0, 10), shown)
    }
    assert min(sellers) >= 35  # money does not take sellers out of the lists
