import numpy as np
import pytest

from recsys.assortment.instance import value
from recsys.assortment.optimise import optimise
from recsys.assortment.plan import changes
from recsys.assortment.read import instance_of


def test_keep_add_and_drop_with_what_each_is_worth() -> None:
    raw = {"model": "mnl", "utilities": [0.0, 0.0, 0.0, 0.0], "revenues": [9.0, 8.0, 1.0, 7.0], "ids": list("abcd"),
           "size": 2, "constraints": {"must_carry": ["d"]}, "current": ["b", "c"]}  # fmt: skip
    instance = instance_of(raw)
    found = optimise(instance)
    assert np.flatnonzero(found.carried).tolist() == [0, 3]
    table = {change.product: change for change in changes(instance, instance.current, found)}
    assert {product: change.action for product, change in table.items()} == {
        "a": "add",
        "b": "drop",
        "c": "drop",
        "d": "add",
    }
    only_d = value(instance, np.array([False, False, False, True]))
    assert table["a"].value == pytest.approx(found.value - only_d)
    with_b = value(instance, np.array([True, True, False, True]))
    assert table["b"].value == pytest.approx(with_b - found.value)
    assert "a rule leaves no room" in table["b"].reason
    assert "earn more with other products" in table["c"].reason
    assert table["c"].value < 0
    assert table["b"].share_before == pytest.approx(1 / 3)
    assert table["b"].share_after == 0


def test_a_forced_product_that_costs_money_says_so() -> None:
    raw = {"model": "mnl", "utilities": [0.0, 2.0], "revenues": [9.0, 1.0], "constraints": {"must_carry": ["1"]}}
    instance = instance_of({**raw, "current": ["1"]})
    table = {c.product: c for c in changes(instance, instance.current, optimise(instance))}
    assert table["1"].action == "keep"
    assert "because of a rule, at a cost" in table["1"].reason


def test_chosen_prices_are_what_the_table_speaks_of() -> None:
    raw = {"model": "mnl", "utilities": [1.0, 0.5], "prices": [3.0, 4.0], "price_sensitivity": 0.5,
           "price_range": [2, 6], "costs": [1.0, 1.0], "current": ["0"]}  # fmt: skip
    instance = instance_of(raw)
    found = optimise(instance)
    assert sum(c.share_after for c in changes(instance, instance.current, found)) == pytest.approx(found.shares.sum())
