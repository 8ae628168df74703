"""What is published never offers what cannot be bought, whatever the marketplace."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys import publication
from recsys.config import load
from recsys.data.lake import Lake
from recsys.data.marketplace import NON_PRODUCTS, Size
from tests.shops import TABLES, TWO_CONTENDERS, live, small_market

SIZE = 8
MORE = f"""
{TABLES}
[publishing]
size = {SIZE}
{TWO_CONTENDERS}
[contenders.complements]
family = "complements"
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_published_table_holds_what_cannot_be_bought_and_lists_are_full(tmp_path: Path, seed: int) -> None:
    market = Size(customers=90 + 30 * seed, products=50 + 10 * seed, sellers=3 + seed, days=60, seed=seed)
    config = small_market(tmp_path, MORE, market)
    told = live({"config": str(config)})
    lake = Lake(str(load(config).lake_folder))
    entry = publication.current(lake)
    assert entry.name == told["publication"]["generation"]
    catalogue = pl.read_csv(tmp_path / "data" / "products.csv")
    on_sale = set(catalogue.filter("available")["product"])
    assert 0 < len(on_sale) < catalogue.height, "some are out of stock, else nothing is shown here"
    sold = set(pl.read_csv(tmp_path / "data" / "orders.csv.gz")["product"])
    assert set(NON_PRODUCTS) <= sold, "fees were ordered, else nothing is shown here"
    for name in ("lists", "related", "complements"):
        table = publication.read_table(lake, entry, f"{name}.parquet")
        assert table.height
        assert set(table["product"]) <= on_sale, name
    lists = publication.read_table(lake, entry, "lists.parquet").group_by("customer").agg("rank", "product")
    assert lists.height > 50
    for ranks, products in lists.select("rank", "product").iter_rows():
        assert sorted(ranks) == list(range(1, SIZE + 1))
        assert len(set(products)) == SIZE
