import numpy as np
import pytest

from recsys.assortment.instance import Model, shares
from recsys.assortment.market import of_choice, of_probabilities
from recsys.assortment.optimise import optimise
from recsys.assortment.rules import Constraints, Traits
from recsys.errors import DataError, UsageError
from recsys.scorers.market import MarketChoice

IDS = Traits(("a", "b", "c", "d"))
EARNED = (np.array([4.0, 3.0, 2.0, 5.0]), "profit")


def choice(draws: int, nests: np.ndarray | None = None, rho: float = 0.0) -> MarketChoice:
    rng = np.random.default_rng(draws)
    weight = rng.dirichlet(np.ones(draws))
    return MarketChoice(rng.normal(0, 1, (draws, 4)), weight, np.ones(4), -np.ones(draws), nests, rho)


@pytest.mark.parametrize(
    ("made", "model"),
    [
        (choice(1), Model.MNL),
        (choice(3), Model.MIXED_LOGIT),
        (choice(1, np.array([2, 0, 2, 0], np.int32), 0.6), Model.NESTED_LOGIT),
        (choice(1, np.array([2, 0, 2, 0], np.int32), 0.0), Model.MNL),
    ],
)
def test_any_set_of_the_instance_has_the_shares_of_the_scorer(made, model) -> None:
    instance = of_choice(made, EARNED, IDS, Constraints(size=3), "blp, week 12")
    assert instance.model is model
    for stays in (np.ones(4, dtype=bool), np.array([True, False, True, True])):
        assert shares(instance, stays)[stays] == pytest.approx(made.only(stays).shares(), rel=1e-12)
    assert optimise(instance).carried.sum() <= 3


def test_nests_and_draws_together_are_refused() -> None:
    with pytest.raises(UsageError, match="nested logit rung"):
        of_choice(choice(2, np.zeros(4, np.int32), 0.5), EARNED, IDS, Constraints(), "")


def test_calibrated_probabilities_are_the_shares_of_the_full_set() -> None:
    chance = np.array([[0.1, 0.2, 0.05, 0.3], [0.4, 0.1, 0.1, 0.0]])
    instance = of_probabilities(chance, np.array([1.0, 3.0]), EARNED, IDS, Constraints(), "als_256, calibrated")
    assert shares(instance, np.ones(4, dtype=bool)) == pytest.approx(0.25 * chance[0] + 0.75 * chance[1])
    assert instance.source == "als_256, calibrated"


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        ([[0.0, 0.0, 0.0, 0.0]], "all zero"),
        ([[0.5, 0.5, 0.0, 0.1]], "adding up to 1.1"),
        ([[0.5, -0.1, 0.0, 0.1]], "negative"),
        ([[0.5, np.nan, 0.0, 0.1]], "NaN"),
        ([[0.5, 0.1]], "2,"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(chance, words) -> None:
    with pytest.raises(DataError, match=words):
        of_probabilities(np.array(chance), np.ones(1), EARNED, IDS, Constraints(), "x")
