"""A night of a shop that describes its markets: panel, choice contenders, tracks, assortments, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys import publication, steps
from recsys.data.lake import Lake, ref_from
from tests.contest import market_world

pytestmark = pytest.mark.slow
TOML = """
runtime = "runtime"
[shop]
name = "markets"
[orders]
path = "orders.csv"
time_format = "epoch_s"
[markets]
least_orders = 1
[contest]
track = "repeats"
bar = ["popularity_28d"]
draws = 100
[publishing]
assortment = 3
[contenders.popularity_28d]
family = "popularity"
window_days = 28
[contenders.logit]
family = "logit"
instruments = ["cost"]
[contenders.nested_logit]
family = "nested_logit"
"""


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("shop")
    day_after = market_world.lines().head(1).with_columns(time=pl.lit((market_world.LAST + 1) * 86_400 + 60, pl.Int64))
    kept = ["order", "customer", "product", "seller", "segment", "quantity", "price", "cost", "time", "title"]
    late = day_after.with_columns(order=pl.lit("late")).select(kept)
    pl.concat([market_world.lines().select(kept), late]).write_csv(root / "orders.csv")
    (root / "recsys.toml").write_text(TOML)
    night = steps.prepare(steps.ingest(steps.start_night({"config": str(root / "recsys.toml")})))
    backtests = [steps.backtest(night, name) for name in night["contenders"]]
    decision = {**steps.decide(night, backtests, steps.judge(night)), "champion": "logit"}
    fits = [steps.fit(night, name) for name in steps.eligible(backtests, decision)]
    facts = {
        "demand": steps.demand(night, backtests, fits),
        "assortment": steps.assort(night, backtests, decision, fits),
    }
    published = steps.publish(night, decision, fits, facts["assortment"])
    page = steps.report(night, backtests, decision, published, facts)
    return root, {"night": night, "backtests": backtests, "fits": fits, **facts, "page": page["page"]}


def test_the_panel_is_made_and_the_choice_model_serves(night: Any) -> None:
    root, told = night
    records = {r["name"]: r for r in told["backtests"]}
    assert records["logit"]["status"] == "ok"
    assert "one nest for all products" in records["nested_logit"]["reason"]  # there are no categories
    assert "tables" not in records["logit"]["report"]  # they do not travel
    demand = told["demand"]
    assert demand["status"] == "ok"
    assert demand["serves"]["contender"] == "logit"
    assert demand["market_choice"][0]["contender"] == "logit"
    assert demand["price_response"][0]["sign_right"] > 0.8
    (price,) = (e for e in demand["fits"]["logit"]["estimates"] if e["name"] == "prices")
    assert price["low"] < market_world.ALPHA < price["high"]
    tables = Lake(str(root / "runtime" / "lake")).read_json(ref_from(demand["tables"]["logit"]))
    assert len(tables["products"]) == market_world.PRODUCTS


def test_the_assortment_comes_from_the_choice_model_and_all_is_on_the_page(night: Any) -> None:
    root, told = night
    assert {s["source"] for s in told["assortment"]["segments"]} == {"choice probabilities of logit"}
    lake = Lake(str(root / "runtime" / "lake"))
    table = publication.read_table(lake, publication.current(lake), "assortment.parquet")
    assert table.filter(pl.col("action") != "drop").group_by("segment").len()["len"].to_list() == [3, 3]
    html = Path(told["page"]).read_text()
    for words in ("Who explains what markets buy", "logit serves tonight", "Elasticities by seller",
                  "choice probabilities of logit", "one nest for all products", "What would happen, by logit",
                  "Every unit accounted for", "What the data can bear"):  # fmt: skip
        assert words in html, words
    assert "could not be built" not in html
