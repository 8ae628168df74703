from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.config import load
from recsys.contest.backtest import judge
from recsys.contest.challenge import paired
from recsys.contract import Run
from recsys.data.dataset import Tables, build
from recsys.data.ingest import day_range, ingest, lake_orders, sources_of
from recsys.data.lake import Lake
from recsys.data.split import hold_out
from recsys.errors import FitError
from recsys.models import complements
from recsys.models.complements import Complements
from recsys.models.popularity import Popularity
from tests import worlds

# orders: {0,1} {0,1,2} {0,3} of customers, {0,1} {4} of guests
DATA = worlds.dataset([[0, 1], [0, 1, 2], [0, 3]], 5, guests=[[0, 1], [4]])


def plain(**settings: float) -> Complements:
    """P(j | i) as counted, every order alike."""
    return Complements(**{"popularity_power": 0.0, "size_power": 0.0, "half_life_days": None, **settings})  # type: ignore[arg-type]


def score(contender: Complements, basket: list[int], data: worlds.Dataset = DATA) -> np.ndarray:
    return contender.fit(data, Run()).scorer.score(worlds.queries(data, [-1], basket=[basket]))[0]


def test_shrunk_share_of_orders_guests_included() -> None:
    """Product 0 was in 4 orders of several products, with 1 in 3 of them and with 3 in 1."""
    nan = np.nan
    scores = score(plain(shrinkage=2.0, min_together=1), [0])
    np.testing.assert_allclose(scores, [nan, 3 / 6, 1 / 6, 1 / 6, nan], rtol=1e-6)
    np.testing.assert_allclose(score(plain(shrinkage=2.0), [0]), [nan, 3 / 6, nan, nan, nan], rtol=1e-6)


def test_two_products_in_the_basket_speak_together() -> None:
    scores = score(plain(shrinkage=0.0, min_together=1), [0, 1])
    assert scores[2] == pytest.approx(1 / 4 + 1 / 3)


def test_popularity_power_1_is_lift() -> None:
    """P(3 | 0) / P(3) = (1/4) / (1/4)."""
    scores = score(plain(shrinkage=0.0, min_together=1, popularity_power=1.0), [0])
    np.testing.assert_allclose(scores[[1, 2, 3]], [(3 / 4) / (3 / 4), 1, 1], rtol=1e-6)


def test_variants_of_one_design_do_not_complete_each_other() -> None:
    design = np.array(["tee", "tee", "", "", ""], dtype=object)
    data = dataclasses.replace(DATA, catalogue=dataclasses.replace(DATA.catalogue, design=design))
    scores = score(plain(min_together=1), [0], data)
    assert np.isnan(scores[1])
    assert np.isfinite(scores[[2, 3]]).all()  # products without a design are no variants of each other


def test_recent_orders_can_count_more() -> None:
    data = worlds.dataset([[0, 1], [0, 2]], 3, days_ago=[[1, 1], [31, 31]])
    scores = score(plain(shrinkage=0.0, min_together=1, half_life_days=30.0), [0], data)
    assert scores[1] == pytest.approx(2 * scores[2], rel=1e-5)
    assert scores[1] + scores[2] == pytest.approx(1, rel=1e-5)


def test_a_pair_in_a_large_order_says_less() -> None:
    """Product 0 with 1 in an order of two, and with 2 in an order of four: (4 / 2)^-.5 as much."""
    data = worlds.dataset([[0, 1], [0, 2, 3, 4]], 5)
    scores = score(plain(shrinkage=0.0, min_together=1, size_power=0.5), [0], data)
    assert scores[2] / scores[1] == pytest.approx(2**-0.5, rel=1e-5)
    assert scores[1] + scores[2] == pytest.approx(1, rel=1e-5)


def test_blocks_and_the_number_kept(monkeypatch: object) -> None:
    data, _ = worlds.planted(u=60, m=20)
    contender = Complements(min_together=1, neighbours=6)
    whole = contender.fit(data, Run()).scorer.weights  # type: ignore[attr-defined]
    assert (np.diff(whole.indptr) <= 6).all()
    monkeypatch.setattr(complements, "BLOCK_CELLS", 50)  # type: ignore[attr-defined]
    again = contender.fit(data, Run()).scorer.weights  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.toarray(), whole.toarray())


def test_single_item_orders_alone_are_a_fit_error() -> None:
    with pytest.raises(FitError, match="no order with two products"):
        Complements().fit(worlds.dataset([[0], [1]], 2, guests=[[1]]), Run())


def test_the_regression_tells_what_carries_from_what_goes_along() -> None:
    """2 goes along with 1 whoever has it; 3 is bought because of 0. Counting alone puts 2 before 3 beside 0."""
    orders = [[0, 1, 2]] * 50 + [[1, 2]] * 50 + [[0, 3]] * 40
    data = worlds.dataset([[0]], 5, guests=orders)
    counted = score(plain(min_together=1), [0], data)
    learnt = score(plain(min_together=1, regression=1.0, penalty=1.0), [0], data)
    assert counted[2] > counted[3]
    assert learnt[3] > learnt[2]


def test_the_regression_by_hand_on_two_products() -> None:
    """G = [[1, 1], [1, 1]] + I: P = G^-1 = [[2, -1], [-1, 2]] / 3, so B = 1/2, beside P(1 | 0) = 1 / (1 + 5)."""
    data = worlds.dataset([[0]], 2, guests=[[0, 1]])
    assert score(plain(min_together=1, regression=1.0, penalty=1.0), [0], data)[1] == pytest.approx(1 / 6 + 1 / 2)


def test_variants_are_not_learnt_either_and_a_large_catalogue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    design = np.array(["tee", "tee", "", "", ""], dtype=object)
    data = dataclasses.replace(DATA, catalogue=dataclasses.replace(DATA.catalogue, design=design))
    assert np.isnan(score(plain(min_together=1, regression=1.0), [0], data)[1])
    monkeypatch.setattr(complements, "MEMORY_MB", 1)
    with pytest.raises(FitError, match="500 x 500 products"):
        Complements(regression=1.0).fit(worlds.dataset([[0, 1]], 500), Run())


RETAIL = Path(__file__).parents[2] / "shops" / "online_retail" / "recsys.toml"


@pytest.mark.slow
@pytest.mark.skipif(not RETAIL.with_name("orders.csv.gz").exists(), reason="shops/online_retail is not here")
def test_online_retail_as_documented(tmp_path: Path) -> None:
    """AC-K1 and AC-K2 on the last 28 days: one random item is shown, another one of the basket must be found."""
    settings, lake = load(RETAIL), Lake(str(tmp_path))
    ingest(lake, sources_of(settings), settings.shop)
    last = day_range(lake)[1]
    assert last is not None
    lines = lake_orders(lake, last)
    data = build(Tables(lines.filter(pl.col("day") <= last - 28), None, None), last - 28, settings)
    held = hold_out(lines, data, last, last - 27, settings)
    rules = settings.contest.model_copy(update={"at": (10,)})
    counted = plain(shrinkage=0.0, min_together=1, neighbours=data.n_products)
    field = {"bar": counted, "default": Complements(), "learned": Complements(regression=1.0), "popular": Popularity()}
    cards = {
        name: judge(name, one.fit(data, Run()).scorer, held, rules)["basket"] for name, one in field.items()
    }  # fmt: skip
    hit = {name: card.values["hit_at_10"] for name, card in cards.items()}
    for name in ("default", "learned"):
        assert hit[name].mean() >= 0.12, name
        assert cards[name].values["any_hit_at_10"].mean() >= 0.65, name
    assert hit["learned"].mean() > 3.5 * hit["popular"].mean()
    two = cards["default"].groups["of_two"]
    assert two.sum() == 104
    assert hit["default"][two].mean() == pytest.approx(0.356, abs=0.005)
    assert hit["popular"][two].mean() == pytest.approx(0.077, abs=0.005)
    better = paired("learned", hit["learned"], "bar", hit["bar"], cards["bar"].cluster, minimum=0.0, level=0.95)
    assert better.low > 0
