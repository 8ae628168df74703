import numpy as np
import pytest

from recsys.errors import FitError
from recsys.models.demand.ols_iv import Linear, gmm, independent, ols, two_stage


def planted(n: int = 4000, seed: int = 0) -> Linear:
    """y = -2 p + 1.5 x + product effect + xi; p moves with xi, and with one instrument of two."""
    rng = np.random.default_rng(seed)
    product = rng.integers(0, 13, n).astype(np.int32)
    x, z, xi = rng.normal(size=n), rng.normal(size=(n, 2)), rng.normal(size=n)
    p = 0.8 * z[:, 0] + 0.5 * x + 0.7 * xi + rng.normal(size=13)[product]
    y = -2 * p + 1.5 * x + rng.normal(size=13)[product] + xi
    return Linear(y, np.column_stack([p, x]), ("prices", "x"), np.array([True, False]), z, (product,),
                  instrument_names=("good", "idle"))  # fmt: skip


def test_instruments_find_what_least_squares_misses() -> None:
    naive, iv, two_step = ols(planted()), two_stage(planted()), gmm(planted())
    assert naive.beta[0] > -1.6
    for fit in (iv, two_step):
        assert abs(fit.beta[0] + 2) < 3 * fit.se[0] < 0.2
        assert abs(fit.beta[1] - 1.5) < 3 * fit.se[1]
    assert iv.first_stage["prices"] > 100


def test_two_stage_equals_the_textbook_formula() -> None:
    problem = planted(300)
    p = problem.within
    Z = p.instruments
    fitted = Z @ np.linalg.lstsq(Z, p.X, rcond=None)[0]
    np.testing.assert_allclose(two_stage(problem).beta, np.linalg.lstsq(fitted, p.y, rcond=None)[0], rtol=1e-8)


def test_ridge_shrinks_exogenous_columns_only() -> None:
    import dataclasses

    heavy = two_stage(dataclasses.replace(planted(), ridge=1e6))
    assert abs(heavy.beta[1]) < 1e-3
    assert heavy.beta[0] < -0.5


def test_clusters_of_one_row_equal_robust_errors() -> None:
    import dataclasses

    problem = planted(500)
    alone = dataclasses.replace(problem, clusters=np.arange(500, dtype=np.int32))
    np.testing.assert_allclose(two_stage(alone).se, two_stage(problem).se, rtol=1e-10)


def test_copied_instruments_are_dropped_and_named() -> None:
    import dataclasses

    problem = planted(500)
    Z = np.column_stack([problem.Z, 2 * problem.Z[:, 0] + 1e-9 * problem.Z[:, 1]])
    fit = two_stage(dataclasses.replace(problem, Z=Z, instrument_names=("good", "idle", "copy")))
    assert len(fit.dropped) == 1
    assert not set(fit.dropped) & {"idle"}
    np.testing.assert_allclose(fit.beta, two_stage(problem).beta, rtol=1e-5)


def test_too_few_instruments_name_the_cure() -> None:
    import dataclasses

    with pytest.raises(FitError, match="at least 1"):
        two_stage(dataclasses.replace(planted(100), Z=np.zeros((100, 0)), instrument_names=()))


def test_a_column_the_effects_hold_is_named() -> None:
    import dataclasses

    problem = planted(100)
    X = np.column_stack([problem.X[:, 0], problem.effects[0].astype(float)])
    with pytest.raises(FitError, match=r"brand.*within the fixed effects"):
        ols(dataclasses.replace(problem, X=X, names=("prices", "brand")))


def test_several_endogenous_columns_have_a_conditional_f_each() -> None:
    """Two prices moved by one instrument: each alone looks strong, together they are not identified."""
    rng = np.random.default_rng(3)
    n = 3000
    z = rng.normal(size=(n, 2))
    p = z[:, :1] @ np.ones((1, 2)) + 0.3 * rng.normal(size=(n, 2))
    weak = two_stage(Linear(rng.normal(size=n), p, ("a", "b"), np.ones(2, bool), z)).first_stage
    assert max(weak.values()) < 10
    p[:, 1] = z[:, 1] + 0.3 * rng.normal(size=n)
    strong = two_stage(Linear(rng.normal(size=n), p, ("a", "b"), np.ones(2, bool), z)).first_stage
    assert min(strong.values()) > 1000


def test_independent_keeps_what_adds_something() -> None:
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=(50, 1)), rng.normal(size=(50, 2))
    kept = independent(x, np.column_stack([z, x, z[:, 0] + z[:, 1]]))
    assert kept.sum() == 2
    assert not kept[2]
