"""Shops on disk that several tests live in: a simulated marketplace and the recsys.toml beside it."""

from __future__ import annotations

from pathlib import Path

from recsys.data.marketplace import PRESETS, Size
from recsys.data.simulate import simulate, write

MARKET = """
runtime = "run"
[shop]
name = "small"
[shop.non_products]
codes = ["SETUP", "SHIP"]
[orders]
path = "data/orders.csv.gz"
cancelled_prefix = "R"
"""
TABLES = """
[products]
path = "data/products.csv"
[customers]
path = "data/customers.csv"
"""
TWO_CONTENDERS = """
[contest]
bar = ["popularity_28d"]
[contenders.popularity_28d]
family = "popularity"
window_days = 28
[contenders.item_neighbours]
family = "item_neighbours"
"""


def small_market(folder: Path, more: str = "", size: Size = PRESETS["small"]) -> Path:
    """Write the marketplace under `folder`/data and a recsys.toml that ends with `more`; returns the latter."""
    write(simulate(size), folder / "data")
    config = folder / "recsys.toml"
    config.write_text(MARKET + more)
    return config
