import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import lambertw

from recsys.assortment import mnl
from recsys.assortment.instance import value
from recsys.assortment.optimise import optimise
from recsys.assortment.read import instance_of
from recsys.assortment.region import region_of
from tests.assortment import problems


def test_equal_to_the_linear_programme_of_charnes_and_cooper() -> None:
    rng = np.random.default_rng(3)
    instance = instance_of(problems.mnl(rng, 60, size=7))
    v, v0, r = instance.preference[0], instance.outside[0], instance.revenue
    # variables p_j = v_j x_j / D and p_0 = v_0 / D;  p_j / v_j <= p_0 / v_0,  sum p_j / v_j <= C p_0 / v_0
    above = np.vstack([np.column_stack([np.diag(1 / v), -np.ones(60) / v0]), np.append(1 / v, -7 / v0)])
    solved = linprog(-np.append(r, 0), A_ub=above, b_ub=np.zeros(61), A_eq=np.ones((1, 61)), b_eq=[1])
    found = optimise(instance)
    assert found.value == pytest.approx(-solved.fun, rel=1e-8)


def test_without_a_cap_the_best_set_is_revenue_ordered() -> None:
    instance = instance_of(problems.mnl(np.random.default_rng(4), 200))
    carried = mnl.best_set(instance, region_of((), 200))
    assert instance.revenue[carried].min() >= instance.revenue[~carried].max()
    assert instance.revenue[carried].min() >= value(instance, carried)


def test_a_hundred_thousand_products_need_few_rounds(monkeypatch) -> None:
    rng, rounds = np.random.default_rng(0), []
    instance = instance_of(problems.mnl(rng, 100_000, size=20))
    choose = mnl.choose
    monkeypatch.setattr(mnl, "choose", lambda region, gain: rounds.append(1) or choose(region, gain))
    carried = mnl.best_set(instance, region_of(instance.rules, instance.n))
    assert carried.sum() == 20
    assert len(rounds) <= 12  # each is O(n): time is measured by benchmarks/assortment.py


def priced(rng: np.random.Generator, n: int, low: float, high: float) -> dict:
    return {
        "model": "mnl",
        "utilities": rng.normal(1, 0.5, n).tolist(),
        "prices": rng.uniform(4, 6, n).tolist(),
        "costs": rng.uniform(1, 2, n).tolist(),
        "price_sensitivity": 0.7,
        "price_range": [[low, high]] * n,
    }


def test_wide_ranges_give_the_equal_markup_of_the_closed_form() -> None:
    raw = priced(np.random.default_rng(5), 6, 0.0, 1000.0)
    found = optimise(instance_of(raw))
    price, cost, alpha = np.array(raw["prices"]), np.array(raw["costs"]), 0.7
    a = np.array(raw["utilities"]) + alpha * price
    W = float(lambertw(np.exp(a - alpha * cost - 1).sum()).real)
    assert found.price is not None
    assert found.price - cost == pytest.approx(np.full(6, (1 + W) / alpha), rel=1e-6)
    assert found.value == pytest.approx(W / alpha, rel=1e-9)


def test_prices_stay_in_their_observed_range_and_beat_a_grid() -> None:
    rng = np.random.default_rng(6)
    raw = {**priced(rng, 3, 3.0, 6.5), "size": 2}
    instance = instance_of(raw)
    found = optimise(instance)
    assert found.price is not None
    assert ((found.price[found.carried] >= 3.0) & (found.price[found.carried] <= 6.5)).all()
    assert np.isnan(found.price[~found.carried]).all()
    grid = np.linspace(3.0, 6.5, 36)
    best = 0.0
    for p0 in grid:
        for p1 in grid:
            for pair in ([0, 1], [0, 2], [1, 2]):
                price = instance.pricing.price.copy()
                price[pair] = p0, p1
                carried = np.isin(np.arange(3), pair)
                best = max(best, value(mnl.at_prices(instance, instance.pricing, price), carried))
    assert best - 1e-12 <= found.value <= best * 1.001


def test_a_price_at_the_edge_is_pointed_out() -> None:
    found = optimise(instance_of(priced(np.random.default_rng(7), 4, 3.0, 6.0)))
    assert any("edge of their observed range" in note for note in found.notes)
