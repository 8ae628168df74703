import json

import numpy as np
import pytest

from recsys.assortment.instance import Model, shares
from recsys.assortment.read import constraints_of, instance_of, read_instance
from recsys.assortment.rules import Limits
from recsys.errors import DataError, UsageError

MNL = {"model": "mnl", "utilities": [0.5, -1.0, 2.0], "revenues": [3.0, 4.0, 5.0]}
ALL = np.ones(3, dtype=bool)


def test_utilities_and_preferences_say_the_same() -> None:
    stated = {"model": "mnl", "preferences": np.exp(MNL["utilities"]).tolist(), "revenues": MNL["revenues"],
              "outside_preference": float(np.exp(0.7))}  # fmt: skip
    a, b = instance_of({**MNL, "outside": 0.7}), instance_of(stated)
    total = np.exp(0.7) + np.exp(MNL["utilities"]).sum()
    assert shares(a, ALL) == pytest.approx(np.exp(MNL["utilities"]) / total)
    assert shares(b, ALL) == pytest.approx(shares(a, ALL))


def test_huge_utilities_do_not_overflow() -> None:
    found = shares(instance_of({**MNL, "utilities": [900.0, 899.0, -900.0]}), ALL)
    assert found == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1)), 0.0])


def test_types_mix_by_weight_whatever_their_sum() -> None:
    raw = {"model": "latent_class", "weights": [3, 1], "utilities": [[0, 1, 2], [2, 0, 0]], "revenues": [1, 1, 1],
           "outside": [0.0, 1.0]}  # fmt: skip
    first = np.exp([0, 1, 2]) / (1 + np.exp([0, 1, 2]).sum())
    second = np.exp([2, 0, 0]) / (np.e + np.exp([2, 0, 0]).sum())
    instance = instance_of(raw)
    assert instance.model is Model.MIXED_LOGIT
    assert shares(instance, ALL) == pytest.approx(0.75 * first + 0.25 * second)


def test_every_form_of_nests_is_the_same_instance() -> None:
    plain = {**MNL, "model": "nested_logit", "ids": ["a", "b", "c"]}
    forms = [
        {**plain, "nests": [0, 1, 0], "dissimilarity": [0.4, 0.9]},
        {**plain, "nests": ["x", "y", "x"], "dissimilarity": {"x": 0.4, "y": 0.9}},
        {**plain, "nests": [["a", "c"], ["b"]], "dissimilarity": [0.4, 0.9]},
    ]
    found = [shares(instance_of(form), ALL) for form in forms]
    grouped = {"model": "nested_logit", "nests": [
        {"utilities": [0.5, 2.0], "revenues": [3.0, 5.0], "dissimilarity": 0.4},
        {"utilities": [-1.0], "revenues": [4.0], "dissimilarity": 0.9}]}  # fmt: skip
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])
    assert shares(instance_of(grouped), ALL) == pytest.approx(found[0][[0, 2, 1]])


def test_margins_make_it_profit() -> None:
    assert instance_of(MNL).objective == "revenue"
    assert instance_of({"model": "mnl", "utilities": [1], "margins": [-1]}).objective == "profit"
    both = instance_of({"model": "mnl", "utilities": [1, 1], "prices": [5, 4], "costs": [1, 2]})
    assert both.objective == "profit"
    assert both.revenue.tolist() == [4, 2]


def test_the_smaller_of_two_caps_holds() -> None:
    rules = instance_of({**MNL, "size": 2, "constraints": {"size": 1}}).rules
    assert [rule.name for rule in rules] == ["at most 1 products"]
    assert instance_of({**MNL, "size": None}).rules == ()


def test_constraints_in_a_shops_words() -> None:
    found = constraints_of({"sellers": {"A": {"min": 1, "max": 2}}, "must_carry": ["a", "a"], "price_band": [1, 2]})
    assert found.sellers == {"A": Limits(1, 2)}
    assert found.must_carry == ("a",)
    assert found.price_band == (1.0, 2.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "probit"}, "model; got probit"),
        ({"sise": 3}, "unknown key 'sise'"),
        ({"utilities": [1.0, float("nan"), 2.0]}, r"utilities\[1\]; got nan; wanted a finite number"),
        ({"utilities": [1.0, 2.0]}, r"utilities; got shape \[1, 2\]"),
        ({"utilities": [[1.0], [2.0], [3.0]], "model": "mixed_logit"}, "Transpose it"),
        ({"utilities": [1.0, "x", 2.0]}, "wanted numbers"),
        ({"preferences": [1, 2, 3]}, "either 'utilities' or 'preferences'"),
        ({"outside_preference": 1}, "beside 'utilities'"),
        ({"margins": [1, 2, 3]}, "one of revenues, margins or prices"),
        ({"ids": ["a", "b", "a"]}, "'a' twice"),
        ({"ids": ["a"]}, "1 entries; wanted 3 entries"),
        ({"size": 1.5}, "whole number"),
        ({"size": -1}, "whole number"),
        ({"model": "mixed_logit", "weights": [0.0]}, "weights; got all zero"),
        ({"model": "mixed_logit", "weights": [1.0, 2.0]}, "weights; got shape"),
        ({"utilities": [[1, 2, 3], [1, 2, 3]]}, "Set model to mixed_logit"),
        ({"model": "nested_logit", "nests": [0, 1, 1]}, "dissimilarity; got nothing"),
        ({"model": "nested_logit", "nests": [0, 1, 1], "dissimilarity": [1.2, 0.5]}, "refit with rho"),
        ({"model": "nested_logit", "nests": [[0], [1]], "dissimilarity": 0.5}, "no nest for '2'"),
        ({"model": "nested_logit", "nests": [[0], [1, 0, 2]], "dissimilarity": 0.5}, "exactly one nest"),
        ({"constraints": {"price_band": [5, 1]}}, "Swap the two prices"),
        ({"constraints": {"colour": 1}}, "unknown key 'colour'"),
        ({"current": ["9"]}, "current; got '9'"),
    ],
)
def test_a_mistake_is_named_with_its_cure(change, words) -> None:
    with pytest.raises((DataError, UsageError), match=words):
        instance_of({**MNL, **change})


def test_all_zero_preferences_name_the_cure() -> None:
    with pytest.raises(DataError, match=r"all zero.*Leave products without sales out"):
        instance_of({"model": "mnl", "preferences": [0, 0], "revenues": [1, 2]})


def test_limits_that_cross_are_refused() -> None:
    with pytest.raises(UsageError, match="min 3 above max 2"):
        constraints_of({"brands": {"x": {"min": 3, "max": 2}}})


PRICED = {
    "model": "mnl",
    "utilities": [1.0, 1.0],
    "prices": [3.0, 4.0],
    "price_sensitivity": 0.5,
    "price_range": [2, 5],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prices": [3.0, 9.0]}, r"prices\[1\] is outside its observed range; got 9; wanted 2 to 5"),
        ({"price_sensitivity": -0.5}, "demand falls with the price"),
        ({"price_range": [[2, 5], [5, 2]]}, "Swap the two prices"),
        ({"model": "nested_logit", "nests": [0, 0], "dissimilarity": 1.0}, "under model mnl"),
    ],
)
def test_pricing_mistakes_are_named(change, words) -> None:
    with pytest.raises((DataError, UsageError), match=words):
        instance_of({**PRICED, **change})


def test_a_sensitivity_without_a_range_is_refused() -> None:
    raw = {key: item for key, item in PRICED.items() if key != "price_range"}
    with pytest.raises(DataError, match="no price_range"):
        instance_of(raw)


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(DataError, match="Check the path"):
        read_instance(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(DataError, match="wanted JSON"):
        read_instance(broken)
    broken.write_text(json.dumps([1]))
    with pytest.raises(DataError, match="got list"):
        read_instance(broken)
