"""What several tests live in: a simulated marketplace on disk with its recsys.toml, and a whole night."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recsys.data.marketplace import PRESETS, Size
from recsys.data.simulate import simulate, write
from recsys.night import run_night

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


def live(params: Mapping[str, Any]) -> dict[str, Any]:
    """A whole night as `run_night` tells it, with nobody behind MLflow's address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_TRACKING__URL", "http://127.0.0.1:9")
        return run_night(params)


def small_market(folder: Path, more: str = "", size: Size = PRESETS["small"]) -> Path:
    """Write the marketplace under `folder`/data and a recsys.toml that ends with `more`; returns the latter."""
    write(simulate(size), folder / "data")
    config = folder / "recsys.toml"
    config.write_text(MARKET + more)
    return config
