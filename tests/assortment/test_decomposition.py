import numpy as np
import pytest

from recsys.assortment.budget import Budget
from recsys.assortment.decomposition import certify
from recsys.assortment.instance import value
from recsys.assortment.read import instance_of
from recsys.assortment.region import region_of
from recsys.errors import UsageError
from tests.assortment import problems


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_is_never_below_the_optimum_whatever_set_it_starts_from(seed) -> None:
    rng = np.random.default_rng(seed)
    checked = 0
    while checked < 6:
        n = int(rng.integers(4, 8))
        raw = problems.mixed(rng, int(rng.integers(2, 5)), n, size=int(rng.integers(1, n + 1)))
        try:
            instance = instance_of({**raw, **problems.rules(rng, n)} if checked % 2 else raw)
            region = region_of(instance.rules, n)
        except UsageError:
            continue
        checked += 1
        best = problems.best_by_enumeration(instance)
        start = next(s for s in problems.sets(n) if problems.obeys(instance, s))
        bound, carried = certify(instance, region, start, 4e-4, Budget.of(1))
        assert bound >= best - 1e-9
        assert problems.obeys(instance, carried)
        assert value(instance, carried) >= value(instance, start)


def test_the_gap_closes() -> None:
    rng = np.random.default_rng(7)
    for n, types, cap in ((10, 3, 4), (12, 2, 12), (11, 4, 2)):
        instance = instance_of(problems.mixed(rng, types, n, size=cap))
        region = region_of(instance.rules, n)
        bound, carried = certify(instance, region, np.zeros(n, dtype=bool), 4e-4, Budget.of(60))
        best = problems.best_by_enumeration(instance)
        assert value(instance, carried) >= best * (1 - 4e-4)
        assert best - 1e-9 <= bound <= value(instance, carried) * (1 + 4.1e-4)


def test_no_time_gives_every_type_its_own_set() -> None:
    instance = instance_of(problems.mixed(np.random.default_rng(8), 3, 9, size=4))
    region = region_of(instance.rules, 9)
    bound, carried = certify(instance, region, np.zeros(9, dtype=bool), 4e-4, Budget.of(-1))
    assert not carried.any()
    assert problems.best_by_enumeration(instance) <= bound < np.inf


def test_a_type_that_always_buys_and_negative_margins_are_bounded_too() -> None:
    rng = np.random.default_rng(9)
    raw = problems.mixed(rng, 3, 7, size=4, constraints={"must_carry": ["2"]})
    raw["margins"] = rng.normal(1, 2, 7).tolist()
    raw["margins"][2] = -1.5
    del raw["revenues"]
    instance = instance_of({**raw, "outside": [-40.0, 0.0, 1.0]})
    region = region_of(instance.rules, 7)
    bound, _ = certify(instance, region, region.forced, 4e-4, Budget.of(2))
    assert bound >= problems.best_by_enumeration(instance) - 1e-9
