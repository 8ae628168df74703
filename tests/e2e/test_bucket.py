"""A whole night on a lake in a bucket publishes what a folder would have got; a store that is away is said."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys import publication
from recsys.data.lake import Lake
from recsys.data.marketplace import PRESETS
from recsys.data.simulate import simulate, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CONFIG = """
runtime = "run"
[shop]
name = "small"
[shop.non_products]
codes = ["SETUP", "SHIP"]
[orders]
path = "data/orders.csv.gz"
cancelled_prefix = "R"
[contest]
bar = ["popularity_28d"]
[tracking]
url = "http://127.0.0.1:9"
[contenders.popularity_28d]
family = "popularity"
window_days = 28
[contenders.item_neighbours]
family = "item_neighbours"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(simulate(PRESETS["small"]), tmp_path / "data")
    (tmp_path / "recsys.toml").write_text(CONFIG)
    return tmp_path


def recsys(folder: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-c", "from recsys.cli import main; main()", *command]
    return subprocess.run(run, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False)


def test_a_night_in_a_bucket_publishes_what_a_folder_would_get(shop: Path, s3_root: str) -> None:
    there, here = Lake(s3_root), Lake(str(shop / "folder"))
    for lake in (there, here):
        done = recsys(shop, "run", RECSYS_LAKE=lake.root)
        assert done.returncode == 0, done.stderr
        assert publication.doctor(lake) == []
    one, two = publication.current(there), publication.current(here)
    assert one.name == "gen-000001"
    assert one.manifest["champion"] == two.manifest["champion"]
    assert _digests(one) == _digests(two)
    assert not (shop / "run" / "lake").exists()

    again = recsys(shop, "run", RECSYS_LAKE=there.root)
    assert again.returncode == 0, again.stderr
    assert [e.name for e in publication.entries(there)] == ["gen-000001"]
    shown = recsys(shop, "champion", "show", RECSYS_LAKE=there.root)
    assert one.manifest["champion"] in shown.stdout, shown.stderr


def test_a_store_that_is_away_ends_the_night_in_seconds_with_a_sentence(shop: Path, s3_root: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        done = recsys(shop, "run", RECSYS_LAKE=s3_root, AWS_ENDPOINT_URL=away)
    assert time.monotonic() - began < 90
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert f"The store {s3_root} cannot be used" in done.stderr.replace("\n", " ")


def _digests(entry: publication.Entry) -> dict[str, str]:
    return {name: ref["sha256"] for name, ref in entry.manifest["files"].items()}
