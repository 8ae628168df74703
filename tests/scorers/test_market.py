import numpy as np
import pytest

from recsys.scorers.market import MarketChoice

RNG = np.random.default_rng(4)


def market(rho: float = 0.0, draws: int = 7, n: int = 5) -> MarketChoice:
    rng = np.random.default_rng(draws + n)
    return MarketChoice(
        utility=rng.normal(size=(draws, n)),
        weight=rng.dirichlet(np.ones(draws)),
        price=rng.uniform(1, 3, n),
        price_effect=-rng.uniform(0.5, 2, draws),
        nests=np.array([0, 2, 0, 2, 2], dtype=np.int32)[:n],
        rho=rho,
    )


def by_hand(choice: MarketChoice) -> np.ndarray:
    """The formula of the docstring, written as loops."""
    shares = np.zeros(choice.utility.shape[1])
    for w, u in zip(choice.weight, choice.utility, strict=True):
        inclusive = {g: sum(np.exp(v / (1 - choice.rho)) for v, h in zip(u, choice.nests, strict=True) if h == g)
                     for g in set(choice.nests.tolist())}  # fmt: skip
        bottom = 1 + sum(d ** (1 - choice.rho) for d in inclusive.values())
        for j, g in enumerate(choice.nests.tolist()):
            shares[j] += w * np.exp(u[j] / (1 - choice.rho)) / inclusive[g] ** choice.rho / bottom
    return shares


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_shares_are_the_written_formula(rho: float) -> None:
    np.testing.assert_allclose(market(rho).shares(), by_hand(market(rho)), rtol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_price_derivatives_equal_finite_differences(rho: float) -> None:
    choice, step = market(rho), 1e-6
    exact = choice.price_jacobian()
    for k in range(5):
        up, down = choice.price.copy(), choice.price.copy()
        up[k] += step
        down[k] -= step
        slope = (choice.at_prices(up).shares() - choice.at_prices(down).shares()) / (2 * step)
        np.testing.assert_allclose(exact[:, k], slope, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(choice.own_elasticities(), np.diag(choice.elasticities()), rtol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_surplus_falls_by_the_share_when_a_price_rises(rho: float) -> None:
    """Roy's identity: d surplus_r / d p_j = -s_rj."""
    choice, step = market(rho), 1e-6
    up = choice.price.copy()
    up[1] += step
    slope = (choice.at_prices(up).surplus() - choice.surplus()) / step
    np.testing.assert_allclose(slope, -choice.probabilities()[:, 1], rtol=1e-4)


def test_diversion_of_plain_logit_is_in_proportion_to_shares() -> None:
    choice = market(draws=1)
    s = choice.shares()
    rows = choice.diversion()
    np.testing.assert_allclose(rows[0, 1:], s[1:] / (1 - s[0]), rtol=1e-12)
    np.testing.assert_allclose(np.diag(rows), (1 - s.sum()) / (1 - s), rtol=1e-12)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-12)


def test_large_utilities_do_not_overflow() -> None:
    for rho in (0.0, 0.9):
        far = MarketChoice(np.array([[900.0, -900.0]]), np.ones(1), np.ones(2), -np.ones(1), np.zeros(2, np.int32), rho)
        np.testing.assert_allclose(far.shares(), [1.0, 0.0], atol=1e-12)
        assert np.isfinite(far.surplus()).all()


def test_an_added_alternative_is_the_same_as_one_that_was_there() -> None:
    choice = market(0.5)
    fewer = choice.only(np.arange(5) < 4).with_added(choice.utility[:, 4], choice.price[4], int(choice.nests[4]))
    np.testing.assert_allclose(fewer.shares(), choice.shares(), rtol=1e-12)
