import numpy as np

from recsys.models.demand.absorb import decompose, residualise


def test_absorbing_equals_dummies() -> None:
    rng = np.random.default_rng(1)
    n = 200
    effects = (rng.integers(0, 7, n).astype(np.int32), rng.integers(0, 11, n).astype(np.int32))
    columns = rng.normal(size=(n, 3))
    dummies = np.column_stack([np.eye(7)[effects[0]], np.eye(11)[effects[1]]])
    expected = columns - dummies @ np.linalg.lstsq(dummies, columns, rcond=None)[0]
    np.testing.assert_allclose(residualise(columns, effects), expected, atol=1e-9)


def test_levels_and_rest_add_up_to_the_values() -> None:
    rng = np.random.default_rng(2)
    n = 90
    effects = (rng.integers(0, 4, n).astype(np.int32), rng.integers(0, 6, n).astype(np.int32))
    values = rng.normal(size=n) + 3
    rest, (first, second) = decompose(values, effects)
    np.testing.assert_allclose(first[effects[0]] + second[effects[1]] + rest, values, atol=1e-12)
    assert abs(second[effects[1]].mean()) < 1e-12


def test_planted_effects_are_found() -> None:
    product, week = np.repeat(np.arange(3), 5).astype(np.int32), np.tile(np.arange(5), 3).astype(np.int32)
    worth, season = np.array([1.0, -2.0, 4.0]), np.array([-1.0, 0.0, 0.5, 0.5, 0.0])
    rest, (first, second) = decompose(worth[product] + season[week], (product, week))
    np.testing.assert_allclose(rest, 0, atol=1e-10)
    np.testing.assert_allclose(first, worth, atol=1e-10)
    np.testing.assert_allclose(second, season, atol=1e-10)
