"""The gap from popularity to the truth: the formula by hand, the oracle against enumeration and against contenders."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from recsys.config import Contest, load
from recsys.contest.backtest import barred_products, judge
from recsys.contest.generation import popular_lately
from recsys.contract import DAY, Dataset, Run
from recsys.data import ingest as door
from recsys.data.lake import Lake, ref_from
from recsys.data.marketplace import Size
from recsys.data.prepare import prepare
from recsys.data.simulate import read_truth, simulate, write
from recsys.data.split import HeldOut
from recsys.models import catalog
from recsys.report.oracle import OracleScorer, gaps, shares_of_gap, truth_file
from recsys.report.page import Page
from recsys.report.sections import truth as section
from tests.report import nights
from tests.report.markup import read

NAN = float("nan")


def share_of_gap(values, floor, oracle, cluster, **more):
    return shares_of_gap({"x": values}, floor, oracle, cluster, **more)["x"]


TOML = """
[shop]
name = "small_market"
[shop.non_products]
codes = ["SETUP", "SHIP"]
[orders]
path = "data/orders.csv.gz"
cancelled_prefix = "R"
[products]
path = "data/products.csv"
[contest]
days = 21
draws = 200
"""


def test_the_share_is_the_ratio_of_mean_differences_where_all_three_are_known() -> None:
    floor, oracle = np.array([0.0, 0.2, 0.4, 0.9]), np.array([1.0, 0.6, 0.8, 0.1])
    values, cluster = np.array([0.5, 0.3, 0.6, NAN]), np.arange(4)
    found = share_of_gap(values, floor, oracle, cluster)
    assert found.mean == pytest.approx((1.4 - 0.6) / (2.4 - 0.6))
    assert found.n == 3
    assert found.low <= found.mean <= found.high


def test_floor_and_oracle_close_none_and_all_of_the_gap() -> None:
    rng = np.random.default_rng(1)
    floor, oracle = rng.random(300), rng.random(300) + 0.5
    cluster = rng.integers(0, 90, 300)
    for values, share in ((floor, 0.0), (oracle, 1.0), ((floor + oracle) / 2, 0.5)):
        found = share_of_gap(values, floor, oracle, cluster)
        assert (found.mean, found.low, found.high) == pytest.approx((share,) * 3)
        assert found.n == len(np.unique(cluster))


def test_customers_are_drawn_whole() -> None:
    """A hundred equal rows of one customer are no more evidence than one."""
    rng = np.random.default_rng(2)
    each = rng.random((3, 40)) + np.array([[0.2], [0.0], [0.6]])
    one = share_of_gap(*each, np.arange(40), seed=3)
    many = share_of_gap(*np.repeat(each, 100, axis=1), np.repeat(np.arange(40), 100), seed=3)
    assert (one.mean, one.low, one.high) == pytest.approx((many.mean, many.low, many.high))


def test_an_oracle_below_the_floor_gives_no_share() -> None:
    found = share_of_gap(np.ones(4), np.ones(4), np.zeros(4), np.arange(4))
    assert np.isnan(found.mean)


def test_the_interval_covers_the_true_share() -> None:
    """Nine of ten 90 % intervals, by simulation: gains with a known ratio of means."""
    rng, hit = np.random.default_rng(4), 0
    for seed in range(120):
        floor = rng.random(150)
        gap = rng.gamma(1.0, 0.3, 150)
        hit += (found := share_of_gap(floor + 0.4 * gap + rng.normal(0, 0.2, 150), floor, floor + gap, np.arange(150),
                                      level=0.9, draws=200, seed=seed)).low <= 0.4 <= found.high  # fmt: skip
    assert 0.82 <= hit / 120 <= 0.97


def test_a_real_shop_has_no_truth_beside_it(tmp_path: Path) -> None:
    page = nights.page(tmp_path)
    assert truth_file(page.settings) is None
    assert section.build(page) is None


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A small market's night with three contenders judged, as the walk leaves it."""
    root = tmp_path_factory.mktemp("market")
    write(simulate(Size(customers=500, products=90, sellers=6, days=84, seed=3)), root / "data")
    (root / "recsys.toml").write_text(TOML)
    settings = load(root / "recsys.toml")
    lake = Lake(str(settings.lake_folder))
    door.ingest(lake, door.sources_of(settings), settings.shop)
    day = date(2025, 3, 29).toordinal() - date(1970, 1, 1).toordinal()
    made = prepare(lake, settings, day, "datasets/x")
    train, held = lake.read_value(Dataset, ref_from(made["train"])), lake.read_value(HeldOut, ref_from(made["held"]))
    board = []
    for name, family, more in (
        ("popularity_28d", "popularity", {"window_days": 28}), ("item_neighbours", "item_neighbours", {}),
        ("complements", "complements", {}),
    ):  # fmt: skip
        scorer = catalog.build(family, more).fit(train, Run()).scorer
        cards = judge(
            name, scorer, held, settings.contest, barred=barred_products(train), fallback=popular_lately(train)
        )
        refs = {track: lake.put_value(f"cards/{name}/{track}", card).json() for track, card in cards.items()}
        board.append({"name": name, "status": "ok", "cards": refs})
    told = nights.decision([], "item_neighbours")
    return Page(settings, lake, nights.night(**made, day=day), board, told, {}, {})


def test_the_oracle_is_above_everybody_and_popularity_is_the_floor(night: Page) -> None:
    new, basket = gaps(night, [("new", "ndcg_at_10"), ("basket", "hit_at_10")])
    for gap in (new, basket):
        assert gap.floor == "popularity_28d"
        assert gap.oracle_mean > 1.5 * gap.floor_mean
        assert all(share.high < 1 for _, _, share in gap.closed)
        assert gap.floor not in [name for name, _, _ in gap.closed]
    learnt = {name: share for name, _, share in new.closed}["item_neighbours"]
    assert 0 < learnt.low < learnt.mean < 1


def test_the_section_shows_every_contender_with_its_interval(night: Page) -> None:
    html = section.build(night)
    assert html is not None
    tree = read(html)
    assert len(tree.all("table")) == 2
    names = [line.children[0].words() for line in tree.all("table")[0].all("tr")]
    assert set(names) == {"Contender", "item_neighbours", "complements", "popularity_28d", "oracle"}


def test_without_a_floor_there_is_no_gap(night: Page) -> None:
    alone = dataclasses.replace(night, backtests=[r for r in night.backtests if r["name"] != "popularity_28d"])
    assert gaps(alone, [("new", "ndcg_at_10")]) == ()


def test_noise_on_the_true_scores_makes_the_lists_worse(night: Page) -> None:
    held = night.lake.read_value(HeldOut, ref_from(night.night["held"]))
    train = night.lake.read_value(Dataset, ref_from(night.night["train"]))
    truth = read_truth(truth_file(night.settings).parent)  # type: ignore[union-attr]
    start = truth.start // DAY
    oracle = OracleScorer(truth, held.first_day - start, held.last_day - start)

    class Noisy(OracleScorer):
        def score(self, queries, products=None):
            clean = super().score(queries, products)
            return clean * np.random.default_rng(0).lognormal(0, 1.0, clean.shape).astype(np.float32)

    noisy, contest = Noisy(truth, oracle.first_day, oracle.last_day), Contest(at=(10, 20))
    best, worse = (judge("x", s, held, contest, barred=barred_products(train)) for s in (oracle, noisy))
    for track in ("new", "repeats", "basket"):
        assert np.nanmean(best[track].values["ndcg_at_10"]) > 1.1 * np.nanmean(worse[track].values["ndcg_at_10"])
