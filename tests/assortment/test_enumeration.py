import numpy as np
import pytest

from recsys.assortment import enumeration
from recsys.assortment.instance import value
from recsys.assortment.read import instance_of
from recsys.assortment.region import region_of
from tests.assortment import problems


@pytest.mark.parametrize("kind", ["mixed", "nested"])
def test_the_best_set_by_the_models_own_value(kind) -> None:
    rng = np.random.default_rng(1)
    raw = problems.mixed(rng, 3, 7, size=4) if kind == "mixed" else problems.nested(rng, 3, 7, size=4)
    instance = instance_of({**raw, "constraints": {"must_carry": ["5"]}})
    carried = enumeration.best_set(instance, region_of(instance.rules, 7))
    assert value(instance, carried) == pytest.approx(problems.best_by_enumeration(instance), rel=1e-12)
    assert carried[5]


def test_many_products_are_left_to_others() -> None:
    instance = instance_of(problems.mixed(np.random.default_rng(2), 2, 13))
    assert enumeration.best_set(instance, region_of((), 13)) is None
