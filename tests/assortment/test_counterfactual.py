import dataclasses

import numpy as np
import pytest

from recsys.assortment.counterfactual import Shelf, add, best_prices, drop, reprice, with_intervals
from recsys.errors import UsageError
from recsys.scorers.market import MarketChoice

FIRM = np.array([0, 1, 0, 2, 1], dtype=np.int32)


def market(rho: float = 0.0) -> MarketChoice:
    rng = np.random.default_rng(8)
    return MarketChoice(
        utility=rng.normal(size=(9, 5)),
        weight=rng.dirichlet(np.ones(9)),
        price=rng.uniform(2, 4, 5),
        price_effect=-rng.uniform(0.8, 2.5, 9),
        nests=np.array([0, 1, 0, 1, 1], dtype=np.int32),
        rho=rho,
    )


def shelf(rho: float = 0.0) -> Shelf:
    return Shelf.observed(market(rho), FIRM, size=1000.0)


def only(j: int) -> np.ndarray:
    return np.arange(5) == j


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_drop_one_at_fixed_prices_is_long_run_diversion(rho: float) -> None:
    rows = market(rho).diversion()
    for j in range(5):
        found = drop(shelf(rho), only(j)).diversion
        np.testing.assert_allclose(np.delete(found[:5], j), np.delete(rows[j], j), atol=1e-12)
        assert found[5] == pytest.approx(rows[j, j], abs=1e-12)
        assert found[j] == 0


def test_money_by_hand() -> None:
    change = drop(shelf(), only(2))
    s = market().shares()
    after = market().only(np.arange(5) != 2).shares()
    price = np.delete(market().price, 2)
    assert change.before.revenue == pytest.approx(1000 * s @ market().price)
    assert change.after.revenue == pytest.approx(1000 * after @ price)
    assert change.after.profit == pytest.approx(1000 * after @ (price - np.delete(shelf().cost, 2)))
    assert change.after.surplus < change.before.surplus
    assert change.numbers()["outside_share"] == pytest.approx(s.sum() - after.sum())
    assert change.taken.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_implied_costs_make_todays_prices_the_best_answer(rho: float) -> None:
    """And from elsewhere the firms find back to them; no firm gains by a price of its own."""
    found = shelf(rho)
    np.testing.assert_allclose(best_prices(found), market(rho).price, atol=1e-8)
    moved = dataclasses.replace(found, choice=found.choice.at_prices(found.choice.price * 1.3))
    np.testing.assert_allclose(best_prices(moved), market(rho).price, atol=1e-6)
    for j in range(5):
        for step in (-0.05, 0.05):
            price = market(rho).price + step * only(j)
            other = found.choice.at_prices(price)
            mine = FIRM[j] == FIRM
            profit = (other.shares() * (price - found.cost))[mine].sum()
            assert profit < (market(rho).shares() * (market(rho).price - found.cost))[mine].sum()


def test_prices_answer_a_drop_upwards_and_buyers_lose_more() -> None:
    fixed, solved = drop(shelf(), only(0)), drop(shelf(), only(0), solve_prices=True)
    assert (solved.after.price[1:] > fixed.after.price[1:]).any()
    assert solved.after.surplus < fixed.after.surplus
    assert solved.after.profit > fixed.after.profit


def test_reprice_at_fixed_and_answered_prices() -> None:
    price = market().price.copy()
    price[0] *= 1.1
    fixed = reprice(shelf(), price)
    assert fixed.after.share[0] < fixed.before.share[0]
    assert (fixed.after.share[1:] > fixed.before.share[1:]).all()
    np.testing.assert_allclose(fixed.after.share, market().at_prices(price).shares())
    answered = reprice(shelf(), price, answered=FIRM != 0)
    assert answered.after.price[0] == price[0]
    assert (answered.after.price[FIRM != 0] != price[FIRM != 0]).all()


def test_a_price_never_seen_is_refused() -> None:
    bounded = dataclasses.replace(shelf(), low=market().price * 0.9, high=market().price * 1.1)
    price = market().price * np.array([1, 1, 1.2, 1, 1])
    with pytest.raises(UsageError, match=r"alternative 2.*range ever observed"):
        reprice(bounded, price)
    reprice(bounded, market().price * 1.05)


def test_adding_back_what_was_dropped_restores_the_market() -> None:
    without = drop(shelf(0.5), only(4))
    smaller = Shelf(market(0.5).only(~only(4)), FIRM[:4], shelf(0.5).cost[:4], 1000.0)
    change = add(smaller, market(0.5).utility[:, 4], float(market(0.5).price[4]), float(shelf(0.5).cost[4]), 1, nest=1)
    np.testing.assert_allclose(change.after.share, market(0.5).shares(), atol=1e-12)
    assert change.after.revenue == pytest.approx(without.before.revenue)
    assert change.before.surplus == pytest.approx(without.after.surplus)


def test_a_monopolist_earns_more_than_competitors() -> None:
    alone = Shelf(market(), np.zeros(5, np.int32), shelf().cost)
    assert (best_prices(alone) > market().price).all()
    np.testing.assert_allclose(market().markups(FIRM), market().price - shelf().cost)


def test_intervals_hold_the_value() -> None:
    rng = np.random.default_rng(1)
    draws = [dataclasses.replace(market(), price_effect=market().price_effect * rng.normal(1, 0.1)) for _ in range(60)]
    price = market().price * 1.1
    found = with_intervals(shelf(), lambda s: reprice(s, price), draws)
    value, low, high = found["revenue"]
    assert low < value < high
    assert set(found) == {"revenue", "profit", "surplus", "outside_share"}


def test_an_empty_market_is_refused() -> None:
    with pytest.raises(UsageError, match="every product"):
        drop(shelf(), np.ones(5, dtype=bool))
