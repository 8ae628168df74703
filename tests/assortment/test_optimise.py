import json
import time

import numpy as np
import pytest

from recsys.assortment import search
from recsys.assortment.instance import value
from recsys.assortment.optimise import PROVEN, optimise, to_json
from recsys.assortment.read import instance_of
from recsys.assortment.region import region_of
from recsys.assortment.starts import revenue_ordered
from recsys.errors import UsageError
from tests.assortment import problems


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model", ["mnl", "nested"])
def test_exact_models_equal_enumeration(model, seed) -> None:  # AC-A1, 8 x 30 cases
    rng = np.random.default_rng(seed)
    for _ in range(30):
        n = int(rng.integers(2, 9))
        nests = int(rng.integers(1, min(n, 4) + 1))
        raw = problems.mnl(rng, n) if model == "mnl" else problems.nested(rng, nests, n)
        instance = instance_of({**raw, "size": int(rng.integers(1, n + 1))})
        found = optimise(instance)
        assert found.value == pytest.approx(problems.best_by_enumeration(instance), rel=1e-9, abs=1e-9)
        assert found.status == "optimal"
        assert found.gap == 0


@pytest.mark.parametrize("seed", range(3))
def test_every_rule_is_obeyed_and_the_best_such_set_found(seed) -> None:
    rng = np.random.default_rng(100 + seed)
    possible = 0
    for _ in range(15):
        n = int(rng.integers(3, 8))
        for raw in (problems.mnl(rng, n), problems.nested(rng, 2, n), problems.mixed(rng, 3, n)):
            instance = instance_of({**raw, **problems.rules(rng, n)})
            best = problems.best_by_enumeration(instance)
            if best == -np.inf:
                with pytest.raises(UsageError, match="No set of products obeys all rules"):
                    optimise(instance)
                continue
            possible += 1
            found = optimise(instance)
            assert problems.obeys(instance, found.carried)
            assert found.value == pytest.approx(best, rel=1e-9, abs=1e-9)
            assert found.bound >= best - 1e-9
    assert possible >= 10


def test_the_cap_is_at_most() -> None:
    raw = {"model": "mnl", "utilities": [0.0, 3.0, 3.0], "revenues": [10.0, 1.0, 1.0], "size": 3}
    found = optimise(instance_of(raw))  # hand: {0} earns 10 / 2 = 5; adding a cheap favourite lowers it
    assert found.carried.tolist() == [True, False, False]
    assert found.value == pytest.approx(5.0)


def test_a_binding_rule_costs_what_dropping_it_would_earn() -> None:
    raw = {"model": "mnl", "utilities": [0.0, 0.0, 0.0], "revenues": [6.0, 5.0, 4.0], "size": 1,
           "sellers": ["A", "A", "B"], "constraints": {"sellers": {"B": {"min": 1}}}}  # fmt: skip
    found = optimise(instance_of(raw))
    assert found.value == pytest.approx(2.0)  # {2} alone
    costs = {binding.rule: binding.cost for binding in found.binding}
    assert costs["sellers 'B' at least 1"] == pytest.approx(3.0 - 2.0)  # {0} alone earns 3
    assert costs["at most 1 products"] == pytest.approx(15.0 / 4 - 2.0)  # {0, 1, 2}
    assert all(binding.exact for binding in found.binding)


@pytest.mark.parametrize(("types", "n", "cap"), [(3, 30, 5), (5, 40, 10), (2, 25, None)])
def test_mixed_logit_is_proven_and_never_worse_than_simple_rules(types, n, cap) -> None:  # AC-A3
    instance = instance_of(problems.mixed(np.random.default_rng(n), types, n, size=cap))
    region = region_of(instance.rules, n)
    found = optimise(instance, seconds=60)
    assert found.status == "optimal"
    assert 0 <= found.gap <= PROVEN
    assert cap is None or found.carried.sum() <= cap
    assert found.value >= value(instance, revenue_ordered(instance, region)) - 1e-12
    assert found.value >= search.climb(instance, region, np.zeros(n, dtype=bool))[1] - 1e-12


def test_mixed_logit_without_time_still_has_a_set_and_a_bound() -> None:
    instance = instance_of(problems.mixed(np.random.default_rng(5), 4, 40, size=6))
    hasty, patient = optimise(instance, seconds=0.0), optimise(instance, seconds=60)
    assert hasty.status == "feasible"
    assert np.isfinite(hasty.bound)
    assert hasty.carried.sum() <= 6
    assert 0 < hasty.value <= patient.value + 1e-12
    assert hasty.notes == ()
    assert hasty.bound >= patient.value - 1e-12
    json.dumps(to_json(instance, hasty), allow_nan=False)


@pytest.mark.slow
def test_the_published_sizes_are_proven_in_time() -> None:  # AC-A2
    hard = instance_of(problems.mixed(np.random.default_rng(1), 10, 100, size=10))
    began = time.monotonic()
    assert optimise(hard, seconds=120).gap <= 5e-4
    large = instance_of(problems.mixed(np.random.default_rng(2), 10, 1000, size=50))
    assert optimise(large, seconds=120).gap <= 0.02
    assert time.monotonic() - began < 250


def test_a_market_with_one_product_says_so() -> None:
    found = optimise(instance_of({"model": "mnl", "utilities": [1.0], "revenues": [2.0]}))
    assert found.carried.tolist() == [True]
    assert "Only one product" in found.notes[0]


def test_nothing_worth_carrying_says_so() -> None:
    found = optimise(instance_of({"model": "mnl", "utilities": [1.0, 2.0], "margins": [-2.0, -1.0]}))
    assert not found.carried.any()
    assert found.value == 0
    assert "best set is empty" in found.notes[0]


def test_rules_in_conflict_are_named() -> None:
    raw = {"model": "mnl", "utilities": [1.0, 2.0, 0.0], "revenues": [2.0, 1.0, 3.0], "ids": ["a", "b", "c"], "size": 1,
           "constraints": {"must_carry": ["a", "b"], "exclude": ["c"]}}  # fmt: skip
    with pytest.raises(UsageError) as refused:
        optimise(instance_of(raw))
    message = str(refused.value)
    assert "'must carry 'a''" in message
    assert "'must carry 'b''" in message
    assert "'at most 1 products'" in message
    assert "never carry" not in message
    assert "Loosen or drop one" in message


def test_the_answer_as_json_names_products_as_the_instance_does() -> None:
    raw = {"model": "mnl", "utilities": [0.0, -9.0], "revenues": [6.0, 1.0]}
    unnamed = instance_of(raw)
    assert to_json(unnamed, optimise(unnamed))["set"] == [0]
    named = instance_of({**raw, "ids": ["mug", "cap"], "source": "als_256, calibrated"})
    answer = to_json(named, optimise(named))
    assert answer["set"] == ["mug"]
    assert answer["source"] == "als_256, calibrated"
    assert answer["outside_share"] == pytest.approx(0.5)
    assert {"value", "bound", "gap", "status"} <= set(answer)
