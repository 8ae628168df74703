import numpy as np
import pytest

from recsys.assortment.hull import corners_of, members
from tests.assortment.problems import sets


@pytest.mark.parametrize("seed", range(8))
def test_for_every_size_and_slope_a_corner_is_best(seed) -> None:
    rng = np.random.default_rng(seed)
    v, r = rng.lognormal(0, 1, 9), rng.uniform(1, 10, 9)
    w = v * r
    found = corners_of(v, w, 6)
    every = sets(9)
    for size in range(1, 7):
        corners = found.size == size
        allowed = every[every.sum(axis=1) <= size]
        for slope in rng.uniform(0, 10, 25):
            best = max(0.0, (allowed @ (w - slope * v)).max())
            assert max(0.0, (found.W - slope * found.V)[corners].max()) == pytest.approx(best)


def test_a_corner_is_found_again_from_its_slope() -> None:
    rng = np.random.default_rng(9)
    v, w = rng.lognormal(0, 1, 30), rng.lognormal(1, 1, 30)
    found = corners_of(v, w, 5)
    for size, V, W, slope in zip(found.size, found.V, found.W, found.slope, strict=True):
        rows = members(v, w, int(size), float(slope))
        assert len(rows) <= size
        assert (v[rows].sum(), w[rows].sum()) == pytest.approx((V, W))
