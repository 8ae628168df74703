"""Recovery: the contest finds what was planted in the marketplace, through the real files and the real door."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.config import load
from recsys.contest.backtest import barred_products, judge
from recsys.contract import EMPTY, F32, I32, Dataset, Index, Queries, Run, Space
from recsys.data import ingest as door
from recsys.data.lake import Lake, ref_from
from recsys.data.marketplace import PRESETS, MarketTruth
from recsys.data.oracle import barred, oracle_scores
from recsys.data.prepare import as_of_day, prepare
from recsys.data.simulate import read_truth, simulate, write
from recsys.data.split import HeldOut
from recsys.models import catalog
from tests.shops import TABLES, small_market

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Oracle:
    """Who knows the true probability of every purchase."""

    space: Space
    truth: MarketTruth
    day: int
    inputs: Index = EMPTY

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        people = queries.space.customers.map_to(self.truth.customers)[np.maximum(queries.customer, 0)]
        people = np.where(queries.customer >= 0, people, 0).astype(np.int32)
        theirs = self.truth.products.map_to(queries.space.products)
        scores = np.full((len(queries), len(queries.space.products)), np.nan, dtype=np.float32)
        known = theirs >= 0
        scores[:, theirs[known]] = oracle_scores(self.truth, people, None, self.day)[:, known]
        scores[queries.customer < 0] = np.nan
        return scores


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, HeldOut, MarketTruth, Any]:
    config = small_market(tmp_path_factory.mktemp("market"), TABLES, PRESETS["demo"])
    settings = load(config)
    lake = Lake(str(settings.lake_folder))
    door.ingest(lake, door.sources_of(settings), settings.shop)
    day, _ = as_of_day(lake, None)
    made = prepare(lake, settings, day, "night")
    train, held = lake.read_value(Dataset, ref_from(made["train"])), lake.read_value(HeldOut, ref_from(made["held"]))
    return train, held, read_truth(config.parent / "data"), settings


def off_shelf(train: Dataset, truth: MarketTruth) -> Any:
    """What the shop itself knows on the cutoff day: which products it does not carry any more."""
    return barred(truth, truth.day_of(train.as_of))[truth.products.rows(train.space.products.ids)]


def ndcg(scorer: Any, train: Dataset, held: HeldOut, settings: Any, fallback: Any, gone: Any) -> float:
    card = judge("x", scorer, held, settings.contest, barred=gone, fallback=fallback)["new"]
    return float(np.nanmean(card.values["ndcg_at_10"][card.groups["warm"]]))


def test_the_best_contender_closes_half_the_gap_between_popularity_and_the_oracle(market: Any) -> None:
    train, held, truth, settings = market
    run = Run(seed=0)
    popular = catalog.build("popularity", {"window_days": 28}).fit(train, run).scorer
    gone = off_shelf(train, truth)
    oracle = Oracle(train.space, truth, truth.day_of(train.as_of))
    floor = ndcg(popular, train, held, settings, popular, gone)
    top = ndcg(oracle, train, held, settings, popular, gone)
    reached = {
        name: ndcg(catalog.build(name, {}).fit(train, run).scorer, train, held, settings, popular, gone)
        for name in ("ease", "item_neighbours", "factorization_machine")
    }
    share = {name: (value - floor) / (top - floor) for name, value in reached.items()}
    assert top > 3 * floor
    assert max(share.values()) >= 0.5, share


def test_segment_popularity_finds_the_planted_segment_effects(market: Any) -> None:
    train, _, truth, _ = market
    scorer = catalog.build("popularity", {"per_segment": True, "shrinkage": 20.0}).fit(train, Run()).scorer
    nobody = np.full(len(truth.segments), -1, dtype=np.int32)
    from recsys.data.split import ask

    rows = ask(train, np.full(len(nobody), "", dtype=object), train.space.segments.rows(truth.segments.ids))
    shares = scorer.score(replace(rows, customer=nobody))
    overall = catalog.build("popularity", {}).fit(train, Run()).scorer.score(rows)
    known = truth.products.rows(train.space.products.ids)
    sold = overall[0] > np.quantile(overall[0], 0.5)
    found = np.log(shares[:, sold] / overall[:, sold])
    planted = truth.segment_effect[:, known[sold]]
    found, planted = found - found.mean(axis=0), planted - planted.mean(axis=0)
    correlation = np.corrcoef(found.ravel(), planted.ravel())[0, 1]
    assert correlation >= 0.6, correlation


def test_no_product_off_the_shelf_is_ever_listed(market: Any) -> None:
    """Rules hold on the marketplace: barred products never appear and every list is full."""
    from recsys.ranking.recommend import Rules, recommend

    train, held, _, _ = market
    gone = barred_products(train)
    ladder = [catalog.build(name, {}).fit(train, Run()).scorer for name in ("item_neighbours", "popularity")]
    seen = held.queries.history.seen(train.n_products)
    served = recommend(ladder, held.queries, 20, Rules(gone, seen))
    listed = served.lists.products
    assert (listed >= 0).all()
    assert not gone[listed].any()
    assert gone.any()
    codes = set(train.space.products.ids[np.unique(listed)])
    assert not codes & {"SETUP", "SHIP"}


def test_files_are_where_a_shop_would_put_them(tmp_path: Path) -> None:
    simulated = simulate(PRESETS["small"])
    assert set(write(simulated, tmp_path / "x")) >= {
        "orders.csv.gz",
        "products.csv",
        "customers.csv",
        "exposures.csv.gz",
    }
