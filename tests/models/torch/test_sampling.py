from __future__ import annotations

import numpy as np
import pytest

from recsys.models.torch.sampling import NEVER, Sampler, drop_known

SHARE = np.array([0.5, 0.3, 0.15, 0.04, 0.01, 0.0])


def test_a_small_catalogue_is_drawn_whole_and_needs_no_correction() -> None:
    product, added = Sampler(SHARE, random=5).draw(np.array([0, 0], np.int32), np.random.default_rng(0))
    assert product.tolist() == [0, 1, 2, 3, 4], "never sold, never a candidate"
    assert (added == 0).all()


def test_targets_are_candidates_and_what_was_never_sold_is_not() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        product, added = Sampler(SHARE, random=2).draw(np.array([1, 1, 4], np.int32), rng)
        assert {1, 4} <= set(product) <= {0, 1, 2, 3, 4}
        assert (np.diff(product) > 0).all()
        assert len(added) == len(product)


@pytest.mark.parametrize("in_batch", [True, False])
def test_log_chance_is_how_often_a_product_is_among_the_candidates(in_batch: bool) -> None:
    rng, n = np.random.default_rng(2), 20_000
    sampler = Sampler(SHARE, random=2, in_batch=in_batch)
    times = np.zeros(6)
    for _ in range(n):
        product, added = sampler.draw(rng.choice(6, 3, p=SHARE).astype(np.int32), rng)
        times[product[added > NEVER / 2]] += 1
    expected = np.exp(sampler.log_chance(np.arange(5, dtype=np.int32), 3))
    np.testing.assert_allclose(times[:5] / n, expected, atol=0.012)


def test_log_q_has_the_sign_that_makes_the_sampled_sum_unbiased() -> None:
    """E[sum over candidates of exp(s + added)] = sum over all products of exp(s); without it the popular weigh more."""
    rng, n = np.random.default_rng(3), 20_000
    sampler, score = Sampler(SHARE, random=2), np.array([1.0, -0.5, 0.3, 2.0, 1.5, 9.0])
    corrected = uncorrected = 0.0
    for _ in range(n):
        product, added = sampler.draw(rng.choice(6, 3, p=SHARE).astype(np.int32), rng)
        corrected += np.exp(score[product] + added).sum() / n
        uncorrected += np.exp(score[product]).sum() / n
    whole = np.exp(score[:5]).sum()
    assert corrected == pytest.approx(whole, rel=0.02)
    assert uncorrected < 0.8 * whole
    _, added = Sampler(SHARE, random=1).draw(np.array([0, 4], np.int32), rng)
    assert added[0] < added[-1], "the frequent product is pulled down more"


@pytest.mark.parametrize("random", [2, 5])
def test_negatives_are_how_many_products_the_candidates_stand_for(random: int) -> None:
    """With every score 0 the sum over candidates of exp(added) is, on average, the number of negatives."""
    rng, n = np.random.default_rng(4), 20_000
    sampler = Sampler(SHARE, random, negatives=3)
    total = sum(np.exp(sampler.draw(rng.choice(6, 2, p=SHARE).astype(np.int32), rng)[1]).sum() for _ in range(n)) / n
    assert total == pytest.approx(3, rel=0.02)
    _, added = Sampler(SHARE, random, negatives=100).draw(np.array([0], np.int32), np.random.default_rng(5))
    _, as_sold = Sampler(SHARE, random).draw(np.array([0], np.int32), np.random.default_rng(5))
    np.testing.assert_array_equal(added, as_sold, err_msg="there are no more negatives than products")


def test_a_purchase_of_the_row_is_no_negative_of_it() -> None:
    added = np.array([0.1, 0.2, 0.3], np.float32)  # of products 2, 5, 7
    slot = np.array([-1, -1, 0, -1, -1, 1, -1, 2])
    rows = drop_known(added, slot, np.array([0, 0, 1]), np.array([5, 6, 2], np.int32), n=3)
    expected = [[0.1, NEVER, 0.3], [NEVER, 0.2, 0.3], [0.1, 0.2, 0.3]]
    np.testing.assert_allclose(rows, np.array(expected), rtol=1e-6)
