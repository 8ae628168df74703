import numpy as np
import pytest

from recsys.contest.chances import calibrate, evenly, kinds, priors, segment_chance, sold_lately
from recsys.contract import Run
from recsys.errors import EmptyError
from recsys.models import catalog
from tests import worlds
from tests.contest.chance_world import held_out


def test_rows_are_taken_evenly_and_always_the_same() -> None:
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(0, 10).tolist() == []
    assert evenly(101, 3).tolist() == [0, 50, 100]


def test_sales_lately_count_orders_of_the_segment() -> None:
    data = worlds.dataset([[0, 1], [1], [1]], 3, days_ago=[[1, 1], [2], [40]], segment=[0, 1, 0])
    assert sold_lately(data).tolist() == [1, 2, 0]
    assert sold_lately(data, 0).tolist() == [1, 1, 0]
    assert sold_lately(data, days=90).tolist() == [1, 3, 0]


def test_a_prior_is_the_segments_sales_and_a_little_of_everybodys() -> None:
    data = worlds.dataset([[0, 1], [1], [1]], 3, days_ago=[[1, 1], [2], [3]], segment=[0, 1, 0])
    found = priors(data, np.array([1, -1], dtype=np.int32))
    whole = np.array([1.5, 3.5, 0.5]) / 10
    assert found[0] == pytest.approx(whole + np.array([0, 1, 0]))
    assert found[1] == pytest.approx(whole)


def test_a_recommender_becomes_probabilities_with_an_outside_option() -> None:
    """Even customers buy even products: so do their chances; buyers are who came back, segment by segment."""
    data = worlds.checkerboard(60, 12)
    scorer = catalog.build("item_neighbours", {}).fit(data, Run()).scorer
    held = held_out(data, [c for c in range(60) if c % 3])
    found = calibrate(scorer, data, held, 365, scorer)
    assert found["sharpness"] > 0
    assert found["bought"] == pytest.approx(41 / 62)
    assert found["days"] == 28
    (chance,), weight = segment_chance(scorer, data, 0, data.space.customers.ids[::2], found, scorer)
    assert weight.tolist() == [1.0]
    assert chance.sum() == pytest.approx(found["segments"]["seg000"])
    assert chance[::2].sum() > 3 * chance[1::2].sum()
    (nobody,), _ = segment_chance(scorer, data, 2, data.space.customers.ids[:0], found, scorer)
    assert nobody.sum() == pytest.approx(found["bought"], abs=0.2)
    assert np.isfinite(nobody).all()


def test_where_nobody_bought_anything_the_error_says_so() -> None:
    data = worlds.checkerboard(12, 6)
    scorer = catalog.build("popularity", {}).fit(data, Run()).scorer
    with pytest.raises(EmptyError, match="no held-out purchase"):
        calibrate(scorer, data, held_out(data, []), 365, scorer)


def test_customers_fall_into_kinds_by_what_they_would_buy() -> None:
    tribe = np.random.default_rng(2).permutation(np.repeat([0, 1, 2], [60, 50, 40]))
    given = np.full((150, 9), 0.02)
    given[np.arange(150)[:, None], 3 * tribe[:, None] + np.arange(3)] = 0.293
    found = kinds(given)
    assert {len(np.unique(tribe[found == k])) for k in np.unique(found)} == {1}  # no kind mixes two tribes
    assert len(np.unique(found)) >= 3
    assert kinds(given[:30]).tolist() == [0] * 30  # too few to tell apart
    assert kinds(given).tolist() == found.tolist()
