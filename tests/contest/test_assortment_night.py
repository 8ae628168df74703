"""The assortment step within a night on the small shop: planned, published, planned again to the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys import publication, steps
from recsys.data.lake import Lake
from tests.test_steps import shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("shop")
    night = steps.prepare(steps.ingest(steps.start_night(shop(root))))
    backtests = [steps.backtest(night, name) for name in night["contenders"]]
    decision = steps.decide(night, backtests, steps.judge(night))
    fits = [steps.fit(night, name) for name in steps.eligible(backtests, decision)]
    return root, {"night": night, "backtests": backtests, "decision": decision, "fits": fits}


def test_the_champions_assortments_are_published_and_a_second_try_changes_nothing(night: Any) -> None:
    root, told = night
    markets = steps.demand(told["night"], told["backtests"], told["fits"])
    assert markets["status"] == "none"
    assert "no [markets]" in markets["reason"]
    planned = steps.assort(told["night"], told["backtests"], told["decision"], told["fits"])
    assert planned["status"] == "ok"
    assert {s["segment"] for s in planned["segments"]} == {"north", "south"}
    assert planned["champion"] == told["decision"]["champion"]
    assert steps.assort(told["night"], told["backtests"], told["decision"], told["fits"]) == planned
    published = steps.publish(told["night"], told["decision"], told["fits"], planned)
    lake = Lake(str(root / "runtime" / "lake"))
    entry = publication.current(lake)
    assert entry.name == published["generation"]
    table = publication.read_table(lake, entry, "assortment.parquet")
    assert published["rows"]["assortment.parquet"] == table.height
    bought = pl.read_csv(root / "orders.csv").filter(pl.col("customer").is_not_null())
    for segment in ("north", "south"):  # each tribe buys from its own half of the products
        mine = table.filter(pl.col("segment") == segment)
        own = bought.filter(pl.col("segment") == segment)["product"].unique().implode()
        assert mine.filter(pl.col("product").is_in(own))["share_after"].sum() > 0.9
        assert mine.sort("value")["product"][-1] in own[0]
    assert any("almost everybody buys" in note for s in planned["segments"] for note in s["notes"])
    assert set(table["action"]) <= {"keep", "add", "drop"}


def test_what_goes_wrong_is_a_status_and_the_night_publishes_all_the_same(night: Any) -> None:
    _, told = night
    broken = steps.assort(
        *(told[k] for k in ("night", "backtests")), {**told["decision"], "champion": "nobody"}, told["fits"]
    )
    assert broken["status"] == "failed"
    assert "nobody" in broken["reason"]
    again = steps.publish(told["night"], told["decision"], told["fits"], broken)
    assert again["generation"]
