import numpy as np
import pytest

from recsys.assortment import search
from recsys.assortment.instance import value
from recsys.assortment.read import instance_of
from recsys.assortment.region import region_of
from tests.assortment import problems


def moves(carried):
    """Every set one addition, deletion or exchange away."""
    inside, outside = np.flatnonzero(carried), np.flatnonzero(~carried)
    for out in [-1, *inside]:
        for into in [-1, *outside]:
            yield search._moved(carried, int(out), int(into))


@pytest.mark.parametrize("kind", ["mixed", "nested"])
def test_no_single_move_improves_a_local_optimum(kind) -> None:
    rng = np.random.default_rng(3)
    checked = 0
    for _ in range(20):
        n = int(rng.integers(5, 10))
        raw = problems.mixed(rng, 3, n) if kind == "mixed" else problems.nested(rng, 3, n)
        raw |= {"size": int(rng.integers(2, n)), "sellers": rng.choice(["A", "B"], n).tolist()}
        raw |= {"constraints": {"sellers": {"A": {"max": 2}}, "exclude": ["0"]}}
        instance = instance_of(raw)
        region = region_of(instance.rules, n)
        carried, money = search.climb(instance, region, np.zeros(n, dtype=bool))
        assert money == pytest.approx(value(instance, carried))
        assert region.allows(carried)
        for other in moves(carried):
            if region.allows(other):
                checked += 1
                assert value(instance, other) <= money * (1 + 1e-9)
    assert checked > 100
