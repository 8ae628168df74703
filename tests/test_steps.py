"""The whole night on a small shop: twice, the next day, an earlier day, a broken contender, a poisoned future."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys import publication, steps
from recsys.data.lake import Lake
from recsys.errors import EmptyError
from tests.shops import live

LAST_FULL = "2024-03-20"
TOML = """
runtime = "{root}/runtime"
[shop]
name = "small"
[shop.non_products]
codes = ["POST"]
[orders]
path = "{root}/orders.csv"
[contest]
days = 14
track = "repeats"
at = [5, 10]
primary = "ndcg_at_5"
bar = ["popularity_28d"]
draws = 100
availability_days = 60
[night]
fit_seconds = 60
[publishing]
size = 8
[contenders.popularity]
family = "popularity"
[contenders.popularity_28d]
family = "popularity"
window_days = 28
[contenders.buy_again]
family = "buy_again"
[contenders.item_neighbours]
family = "item_neighbours"
[contenders.late]
family = "popularity"
window_days = 1
"""


def write_orders(file: Path, last: str, poison: bool = False) -> None:
    """Two tribes of customers, each buying from its own half of 24 products; one order a day and customer."""
    import random
    from datetime import date, timedelta

    rng, day, end = random.Random(4), date(2024, 1, 1), date.fromisoformat(last)
    lines = ["order,customer,product,quantity,price,time,segment,title"]
    while day <= end:
        for _ in range(30):
            who = rng.randrange(60)
            tribe = who % 2
            for item in rng.sample(range(12), 2):
                order, where = f"o{day:%m%d}-{who}", "north" if tribe else "south"
                lines.append(f"{order},c{who:02d},p{tribe}{item:02d},1,{5 + item},{day}T12:00:00Z,{where},t{item}")
        lines.append(f"g{day:%m%d},,POST,1,3,{day}T12:30:00Z,north,postage")
        day += timedelta(days=1)
    if poison:
        lines += [f"x{i},c{i:02d},poisoned,50,99,2024-03-21T01:00:00Z,north,poison" for i in range(60)]
    file.write_text("\n".join(lines) + "\n")


def shop(root: Path, last: str = "2024-03-21", poison: bool = False) -> dict[str, Any]:
    write_orders(root / "orders.csv", last, poison)
    (root / "recsys.toml").write_text(TOML.format(root=root))
    return {"config": str(root / "recsys.toml")}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    root = tmp_path_factory.mktemp("shop")
    params = shop(root)
    return root, params, live(params)


def lake_of(root: Path) -> Lake:
    return Lake(str(root / "runtime" / "lake"))


def lists_of(root: Path, name: str = "lists.parquet") -> pl.DataFrame:
    lake = lake_of(root)
    return publication.read_table(lake, publication.current(lake), name)


@pytest.mark.slow
def test_the_night_ends_with_a_champion_that_found_the_tribes(lived: Any) -> None:
    _, _, result = lived
    assert result["night"]["as_of"] == LAST_FULL
    assert result["decision"]["action"] == "first"
    assert result["decision"]["champion"] in ("buy_again", "item_neighbours")  # either knows who is of which tribe
    assert result["decision"]["digests"]["data"] == result["night"]["digest"]
    assert len(result["decision"]["digests"]["config"]) == 16
    means = {
        r["name"]: r["tracks"]["repeats"]["metrics"]["ndcg_at_5"]["mean"] for r in result["backtests"] if "tracks" in r
    }
    assert means["item_neighbours"] > 1.3 * means["popularity_28d"]


@pytest.mark.slow
def test_a_nights_record_has_every_track_and_every_metric_with_its_interval(lived: Any) -> None:
    record = next(r for r in lived[2]["backtests"] if r["name"] == "item_neighbours")
    assert set(record["tracks"]) == {"new", "repeats", "basket"}
    expected = {
        "repeats": {f"{name}_at_{k}" for name in ("ndcg", "hit", "recall", "map", "mrr", "revenue") for k in (5, 10)},
        "basket": {f"{name}_at_{k}" for name in ("ndcg", "hit", "any_hit") for k in (5, 10)},
    }
    for track, names in expected.items():
        told = record["tracks"][track]["metrics"]
        assert names <= set(told)
        for name in names:
            one = told[name]
            assert one["low"] <= one["mean"] <= one["high"], name
            assert one["low"] < one["high"] or one["mean"] == 1.0, name  # everybody of a tribe is hit at 10
            assert one["n"] > 20, name


@pytest.mark.slow
def test_lists_are_full_seen_free_and_without_fees(lived: Any) -> None:
    root, _, _ = lived
    lists = lists_of(root)
    customers = lists.filter(pl.col("customer").str.starts_with("c"))
    assert customers["customer"].n_unique() == 60
    assert customers.group_by("customer").len()["len"].min() == 8
    assert "POST" not in lists["product"].to_list()
    assert lists.filter(pl.col("customer") == "segment:north").height == 8
    assert lists.filter(pl.col("customer") == "default").height == 8
    seen = pl.read_csv(root / "orders.csv").filter(pl.col("time") < f"{LAST_FULL}T23:59:59Z")
    assert customers.join(seen, on=["customer", "product"], how="inner").is_empty()
    assert not lists.select(pl.any_horizontal(pl.col("reason", "contender", "version").is_null())).to_series().any()
    assert abs(sum(publication.current(lake_of(root)).manifest["rungs"].values()) - 1) < 1e-9


@pytest.mark.slow
def test_the_same_night_again_changes_nothing(lived: Any) -> None:
    root, params, first = lived
    before = {p: (root / "runtime/lake" / p).read_bytes() for p in lake_of(root).paths("generations")}
    again = live(params)
    assert again["decision"] == first["decision"]
    assert again["publication"]["current"] is False
    assert again["publication"]["generation"] == first["publication"]["generation"]
    assert {p: (root / "runtime/lake" / p).read_bytes() for p in lake_of(root).paths("generations")} == before


@pytest.mark.slow
def test_an_earlier_day_never_touches_what_is_served(lived: Any) -> None:
    root, params, _ = lived
    before = lake_of(root).read("CURRENT")
    past = live({**params, "as_of": "2024-03-10"})
    assert past["publication"]["generation"] is None
    assert lake_of(root).read("CURRENT") == before


@pytest.mark.slow
def test_the_next_night_is_judged_by_new_orders_only(tmp_path: Path) -> None:
    params = shop(tmp_path)
    live(params)
    write_orders(tmp_path / "orders.csv", "2024-03-23")
    second = live(params)
    assert second["night"]["as_of"] == "2024-03-22"
    evidence = steps.judge(second["night"])
    assert evidence["status"] == "ok"
    assert evidence["nights"] == ["2024-03-22"]
    assert 0 < evidence["customers"] <= 60
    assert second["decision"]["action"] == "keep"
    assert second["decision"]["tests"]
    assert second["publication"]["generation"] == "gen-000002"


@pytest.mark.slow
def test_nothing_after_the_day_reaches_the_night(tmp_path: Path) -> None:
    clean, poisoned = tmp_path / "clean", tmp_path / "poisoned"
    clean.mkdir()
    poisoned.mkdir()
    one = steps.prepare(steps.ingest(steps.start_night(shop(clean))))
    two = steps.prepare(steps.ingest(steps.start_night(shop(poisoned, poison=True))))
    assert one["as_of"] == two["as_of"] == LAST_FULL
    for part in ("dataset", "train", "held"):
        assert one[part]["sha256"] == two[part]["sha256"], part


def test_an_earlier_day_knows_nothing_of_todays_stock_and_prices(tmp_path: Path) -> None:
    def as_of(name: str, day: str | None, price: int, available: str) -> dict[str, Any]:
        root = tmp_path / name
        root.mkdir()
        params = shop(root)
        rows = [f"p{tribe}{item:02d},{price + item},{available}" for tribe in (0, 1) for item in range(12)]
        (root / "products.csv").write_text("\n".join(["product,price,available", *rows]) + "\n")
        (root / "recsys.toml").write_text(TOML.format(root=root) + f'[products]\npath = "{root}/products.csv"\n')
        return steps.prepare(steps.ingest(steps.start_night({**params, "as_of": day})))

    one, two = as_of("one", "2024-03-10", 5, "true"), as_of("two", "2024-03-10", 500, "false")
    assert all(one[part]["sha256"] == two[part]["sha256"] for part in ("dataset", "train", "held"))
    now, later = as_of("now", None, 5, "true"), as_of("later", None, 500, "false")
    assert now["dataset"]["sha256"] != later["dataset"]["sha256"]  # the last full day does know them
    assert now["train"]["sha256"] == later["train"]["sha256"]  # and its backtest does not


@pytest.mark.slow
def test_a_contender_that_fails_is_a_record_and_the_night_goes_on(tmp_path: Path) -> None:
    params = shop(tmp_path)
    orders = (tmp_path / "orders.csv").read_text().splitlines()
    quiet = [o for o in orders if "2024-03-06" not in o]  # the backtest's past ends on a day without orders
    (tmp_path / "orders.csv").write_text("\n".join(quiet) + "\n")
    result = live(params)
    late = next(r for r in result["backtests"] if r["name"] == "late")
    assert late["status"] == "failed"
    assert "no orders" in late["reason"]
    assert result["decision"]["gates"]["late"]["failed"]
    assert result["publication"]["current"]


def tiny(customer: str, product: str) -> list[str]:
    """One order a day for 30 days; the names may use the number i of the order."""
    names = ((customer.format(i=i % 6), product.format(i=i % 5)) for i in range(30))
    return [f"o{i},{c},{p},1,2,2024-03-{i + 1:02d}T10:00:00Z,n" for i, (c, p) in enumerate(names)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("customer", "product"), [("c", "p{i}"), ("c{i}", "p"), ("", "p{i}")], ids=["one customer", "one product", "guests"]
)
def test_where_nobody_can_be_judged_the_night_ends_with_popularity(tmp_path: Path, customer: str, product: str) -> None:
    params = tiny_shop(tmp_path, tiny(customer, product))
    told = live(params)
    decision, published = told["decision"], told["publication"]
    assert (published["champion"], published["current"]) == ("popularity_28d", True)
    assert "no contender is judged" in decision["reasons"][0]
    new = [row["tracks"].get("new", {}).get("metrics", {}) for row in decision["leaderboard"]]
    assert all(value["mean"] is None for metrics in new for value in metrics.values())  # n/a, not 0 and not NaN
    assert "n/a" in Path(told["report"]["page"]).read_text()
    rows = lists_of(tmp_path).filter(pl.col("customer") == "default").height
    assert rows == len({line.split(",")[2] for line in tiny(customer, product)})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["o,c,p,1,2,2024-03-01T10:00:00Z,n"], "orders of 2024-03-01 only"),
        (tiny("c{i}", "p{i}")[:5], "too few days for a backtest; got 4 days"),
        ([line.replace(",1,2,", ",-1,2,") for line in tiny("c{i}", "p{i}")], "0 sales that were not returned"),
    ],
    ids=["one day", "a few days", "returns"],
)
def test_where_nothing_can_be_learnt_one_sentence_says_so(tmp_path: Path, lines: list[str], said: str) -> None:
    params = tiny_shop(tmp_path, lines)
    with pytest.raises(EmptyError, match=said):
        steps.prepare(steps.ingest(steps.start_night(params)))


def tiny_shop(root: Path, lines: list[str]) -> dict[str, Any]:
    header = "order,customer,product,quantity,price,time,segment\n"
    (root / "orders.csv").write_text(header + "\n".join(lines) + "\n")
    text = TOML.format(root=root).replace('track = "repeats"', 'track = "new"')
    (root / "recsys.toml").write_text(text.replace("days = 14", "days = 7"))
    return {"config": str(root / "recsys.toml"), "contenders": ["popularity_28d", "item_neighbours"]}
