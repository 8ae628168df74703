import numpy as np
import pytest

from recsys.errors import EmptyError
from recsys.evaluation.calibration import Softmax, chances, fit_softmax, form_of, place_error, purchase_error

N, M = 600, 9


def drawn(logits: np.ndarray, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """One purchase per row from softmax(logits)."""
    noisy = logits + np.random.default_rng(seed).gumbel(size=logits.shape)
    return np.arange(len(logits), dtype=np.int32), noisy.argmax(axis=1).astype(np.int32)


def test_a_planted_softmax_is_found_again() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 10, (N, M)).astype(np.float32)
    prior = rng.integers(1, 200, (N, M)).astype(float)
    owner, product = drawn(0.2 * scores + 0.7 * np.log(prior))
    found = fit_softmax(scores, owner, product, prior, np.ones(M, dtype=bool))
    assert found.sharpness == pytest.approx(0.2, abs=0.03)
    assert found.prior == pytest.approx(0.7, abs=0.15)
    assert not found.logarithm
    assert found.ece < 0.15
    useless = fit_softmax(rng.normal(size=(N, M)).astype(np.float32), owner, product, prior, np.ones(M, dtype=bool))
    assert useless.log_likelihood < found.log_likelihood - 0.3


def test_strengths_are_taken_by_their_logarithm_where_that_is_likelier() -> None:
    strength = np.random.default_rng(1).lognormal(0, 2, (N, M)).astype(np.float32)
    owner, product = drawn(np.log(strength))
    found = fit_softmax(strength, owner, product, np.ones((N, M)), np.ones(M, dtype=bool))
    assert found.logarithm
    assert found.sharpness == pytest.approx(1.0, abs=0.1)


def test_chances_sum_to_one_over_what_is_allowed_and_no_opinion_is_the_least_one() -> None:
    scores = np.array([[1.0, np.nan, 3.0, 9.0], [np.nan] * 4], dtype=np.float32)
    allowed = np.array([True, True, True, False])
    p = chances(scores, Softmax(1.0, 0.0, False, 0.0, 0.0), np.ones((2, 4)), allowed)
    assert p.sum(axis=1) == pytest.approx([1, 1])
    assert p[0, 1] == pytest.approx(p[0, 0])
    assert p[:, 3].tolist() == [0, 0]
    assert p[1, :3] == pytest.approx([1 / 3] * 3)
    assert form_of(np.array([[0.0, np.e]], dtype=np.float32), True)[0] == pytest.approx([1, 1])


def test_purchase_error_is_the_share_predicted_in_the_wrong_place() -> None:
    p = np.full(100, 0.01)
    assert purchase_error(p, p) == pytest.approx(0)
    assert purchase_error(np.arange(1, 101.0), np.arange(100, 0, -1.0)) > 0.5


def test_nobody_bought_anything_on_offer() -> None:
    none = np.array([0], dtype=np.int32)
    with pytest.raises(EmptyError, match="no held-out purchase"):
        fit_softmax(np.ones((1, 2), np.float32), none, none, np.ones((1, 2)), np.array([False, True]))


def test_places_that_keep_their_promise_have_no_error_and_few_rows_say_nothing() -> None:
    shown = np.ones((400, 2), dtype=bool)
    bought = np.zeros((400, 2), dtype=bool)
    bought[np.arange(0, 400, 4)] = True  # rows 0, 4, 8, ...: all of them in the half that is learnt from
    assert place_error(bought, shown) == pytest.approx(0.5)
    bought[np.arange(1, 400, 4)] = True
    assert place_error(bought, shown) == pytest.approx(0)
    assert np.isnan(place_error(bought[:399], shown[:399]))
    assert np.isnan(place_error(bought, np.zeros_like(shown)))  # nothing was shown
