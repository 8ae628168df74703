"""The packaged orders through the front door: the published counts of the file, and of the usual cleaning."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from recsys import config
from recsys.data.frontdoor import Ingested, read_table
from recsys.data.returns import net_returns

SHOP = Path(__file__).parents[2] / "shops" / "online_retail"
NOW = 1_780_000_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SHOP / "orders.csv.gz").exists(), reason="shops/online_retail is not here"),
]


def read(**options: object) -> Ingested:
    settings = config.load(SHOP / "recsys.toml")
    source = settings.orders.model_copy(update={"path": settings.file(settings.orders.path or ""), **options})
    return read_table(source, "orders", settings.shop, NOW)


@pytest.fixture(scope="module")
def every() -> pl.DataFrame:
    """All rows: copies kept."""
    found = read(duplicates="keep", strip_decimal_ids=False)
    assert found.report.quarantined == {}
    return found.accepted


@pytest.fixture(scope="module")
def clean() -> Ingested:
    """As recsys.toml has it."""
    began = time.process_time()
    found = read()
    assert time.process_time() - began < 20  # CPU seconds; 5.4 on the machine it was written on
    return found


def _peak_mb() -> float:
    """Most memory a process of its own holds while it reads the file."""
    code = """
from recsys.config import load
from recsys.contest.child import peak_memory_mb
from recsys.data.frontdoor import read_table
from recsys.data.ingest import sources_of
settings = load("shops/online_retail/recsys.toml")
assert read_table(sources_of(settings)["orders"], "orders", settings.shop).report.rows_in == 541_909
print(peak_memory_mb())
"""
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return float(told.stdout)


def test_every_row_is_accounted_for_in_little_memory(clean: Ingested) -> None:
    found = clean
    assert _peak_mb() < 1024
    assert found.report.rows_in == 541_909
    assert found.report.quarantined == {"duplicate": 5_268}
    assert found.report.accepted == found.accepted.height == 541_909 - 5_268
    assert found.accepted["customer"].drop_nulls().str.contains(r"^\d{5}$").all()


def test_the_published_counts(every: pl.DataFrame) -> None:
    assert every.height == 541_909
    assert every["order"].n_unique() == 25_900
    assert every["product"].n_unique() == 4_070
    assert every["customer"].n_unique() == 4_372 + 1  # and none
    assert every["segment"].n_unique() == 38
    assert every["customer"].null_count() == 135_080
    assert every["order"].str.starts_with("C").sum() == 9_288
    assert every["title"].null_count() == 1_454 + 0
    assert every.filter(pl.col("quantity") <= 0).height == 10_624
    assert every.filter(pl.col("price") <= 0).height == 2_517
    first, last = every["time"].min(), every["time"].max()
    assert (first, last) == (1_291_191_960, 1_323_435_000)  # 2010-12-01 08:26 and 2011-12-09 12:50 in London


def test_ids_stay_text(every: pl.DataFrame) -> None:
    assert "17850.0" in every["customer"].to_list()


def test_the_usual_cleaning(every: pl.DataFrame) -> None:
    kept = every.filter(pl.col("customer").is_not_null(), pl.col("quantity") > 0, pl.col("price") > 0)
    assert kept.height == 397_884
    assert [kept[c].n_unique() for c in ("customer", "product", "order")] == [4_338, 3_665, 18_532]
    assert kept.select(pl.struct("customer", "product").n_unique()).item() == 266_792
    assert kept.select((pl.col("quantity") * pl.col("price")).sum()).item() == pytest.approx(8_911_407.90, abs=0.01)


def test_non_products_are_set_apart(clean: Ingested) -> None:
    lines = clean.accepted
    apart = lines.filter(pl.col("kind") == "non_product")
    assert {"POST", "DOT", "M", "BANK CHARGES", "AMAZONFEE", "C2"} <= set(apart["product"])
    assert not lines.filter(pl.col("kind") != "non_product")["product"].is_in(apart["product"].unique()).any()
    left = lines.filter(pl.col("kind") != "non_product")["product"]
    assert left.str.contains(r"^(\d{5}|DCGS)").all()  # stock numbers, and 16 house codes of real goods


def test_returns_find_their_purchases(clean: Ingested) -> None:
    lines = clean.accepted
    sales, report = net_returns(lines.filter(pl.col("kind") != "non_product"))
    assert report.lines == lines.filter(pl.col("kind") == "return").height
    assert report.matched_units + report.unmatched_units == report.units
    bought = lines.filter(pl.col("kind") == "sale")["quantity"].sum()
    assert sales["quantity"].sum() == pytest.approx(bought - report.matched_units)
    assert sales["quantity"].min() > 0
