"""One code for both engines: equal tables, down to the digest of the Dataset."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks import features
from recsys.config import load
from recsys.data import engine, prepare
from recsys.data.dataset import last_known, sales_until
from recsys.data.engine import gather, missing, spark_lines
from recsys.data.ingest import ingest, lake_orders, sources_of
from recsys.data.lake import Lake, Ref
from recsys.data.returns import kept_sales, net_returns
from recsys.errors import ConfigError, ServiceError

LINES = """order,customer,product,quantity,price,time,segment,title,category
o1,anna,kite,3,10.10,2024-01-01T10:00:00Z,north,Kite,air
o1,anna,top,1,5,2024-01-01T10:00:00Z,north,Top,
o2,,kite,2,10.20,2024-01-02T11:00:00Z,south,Red kite,air
o3,bert,drum,1,8.05,2024-01-02T12:00:00Z,north,Drum,noise
o3,bert,drum,2,8.15,2024-01-02T12:00:00Z,north,Drum,noise
o3,bert,drum,4,8.25,2024-01-02T12:00:00Z,north,Big drum,noise
r1,anna,kite,-2,10.10,2024-01-03T09:00:00Z,north,Kite,air
r2,bert,drum,-9,8.05,2024-01-03T09:00:00Z,north,Drum,noise
r3,,top,-1,5,2024-01-03T10:00:00Z,south,Top,
o4,cleo,top,5,0.1,2024-01-04T10:00:00Z,south,Top,
o4,cleo,kite,1,9.99,2024-01-04T10:00:00Z,south,Kite,air
o5,anna,top,2,4.5,2024-01-05T10:00:00Z,north,Top,
o6,bert,kite,1,9.5,2024-01-06T10:00:00Z,north,Kite,air
o7,dora,drum,1,8.5,2024-01-07T10:00:00Z,,Drum,noise
"""
CONFIG = """
[orders]
path = "orders.csv"
[contest]
days = 2
[contenders.ease]
family = "ease"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Lake]:
    root = tmp_path_factory.mktemp("shop")
    (root / "orders.csv").write_text(LINES)
    (root / "recsys.toml").write_text(CONFIG)
    settings = load(root / "recsys.toml")
    lake = Lake(settings.lake_root)
    ingest(lake, sources_of(settings), settings.shop)
    return settings, lake


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    why = missing()
    if why:
        pytest.skip(f"Spark: {why}")
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    builder = SparkSession.builder.master("local[1]").config("spark.sql.shuffle.partitions", "2")
    found = builder.config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1").getOrCreate()
    yield found
    found.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("session")
def test_spark_and_polars_make_equal_tables_and_one_dataset(shop: tuple[Any, Lake]) -> None:
    settings, lake = shop
    day, _ = prepare.as_of_day(lake, None)
    here, there = (lake_orders(lake, day, name) for name in ("polars", "spark"))  # type: ignore[arg-type]
    for table in (sales_until, last_known):
        assert_frame_equal(table(there, day), table(here, day), check_exact=True)
    assert net_returns(there)[1] == net_returns(here)[1]
    made = {}
    for name in ("polars", "spark"):
        night = settings.night.model_copy(update={"engine": name})
        made[name] = prepare.prepare(lake, settings.model_copy(update={"night": night}), day, f"made-by-{name}")
    for ref in ("dataset", "train", "held"):
        assert made["spark"][ref]["sha256"] == made["polars"][ref]["sha256"]
    assert made["spark"]["sizes"]["held_customers"] == 2


def test_the_tables_are_what_the_lines_say(shop: tuple[Any, Lake]) -> None:
    _, lake = shop
    day, _ = prepare.as_of_day(lake, None)
    sales = sales_until(lake_orders(lake, day), day)
    assert sales["order"].to_list() == ["o1", "o1", "o2", "o4", "o4", "o5", "o6"]  # the drums all came back
    kite = sales.filter(pl.col("order") == "o1", pl.col("product") == "kite")
    assert kite["units"].to_list() == [1.0]
    assert kite["revenue"].to_list() == [10.1]
    assert last_known(lake_orders(lake, day), day).filter(pl.col("product") == "drum")["title"].to_list() == ["Drum"]


def test_kept_sales_are_the_first_of_net_returns(shop: tuple[Any, Lake]) -> None:
    lines = lake_orders(shop[1], 30_000)
    both = [gather(frame).sort("source_line") for frame in (kept_sales(lines), net_returns(lines)[0])]
    assert_frame_equal(*both)


@pytest.mark.parametrize(
    ("installed", "java", "said"), [(False, True, "pyspark is not installed"), (True, False, "no Java")]
)
def test_spark_that_is_not_here_is_said_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, shop: tuple[Any, Lake], installed: bool, java: bool, said: str
) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _: object() if installed else None)
    monkeypatch.setattr(engine.shutil, "which", lambda _: "/usr/bin/java" if java else None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match=said):
        spark_lines(["orders.parquet"])
    with pytest.raises(ConfigError, match='engine = "polars"'):
        lake_orders(shop[1], 30_000, "spark")


def test_where_spark_fails_its_first_line_is_told_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        implementation = type("I", (), {"is_polars": staticmethod(lambda: False)})

        def lazy(self) -> Broken:
            return self

        def collect(self, _: str) -> Any:
            raise RuntimeError("Job aborted\n\tat org.apache.spark")

    monkeypatch.setattr(engine.nw, "from_native", lambda frame: frame)
    with pytest.raises(ServiceError, match=r"RuntimeError: Job aborted\. Its own"):
        gather(Broken())


@pytest.mark.slow
def test_what_the_benchmark_compares_is_the_same_work(tmp_path: Path) -> None:
    features.generate(4000, str(tmp_path))
    ours, *peers = (features.run_case(name, str(tmp_path))["checks"] for name in features.CASES)
    assert ours[0] > 3900
    assert all(peer == ours for peer in peers)


def test_a_folder_of_files_is_named_to_an_engine_as_it_lies(shop: tuple[Any, Lake]) -> None:
    _, lake = shop
    ref = next(iter(lake.paths("orders")))

    found = lake.places([Ref(ref, sha256(lake.read(ref)).hexdigest())])
    assert Path(found[0]).is_file()
