"""A whole night on a lake in a bucket publishes what a folder would have got; a store that is away is said."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from recsys import publication
from recsys.data.lake import Lake
from tests.shops import TWO_CONTENDERS, small_market
from tests.stack.native import recsys, said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    small_market(tmp_path, '[tracking]\nurl = "http://127.0.0.1:9"\n' + TWO_CONTENDERS)
    return tmp_path


def test_a_night_in_a_bucket_publishes_what_a_folder_would_get(shop: Path, s3_root: str) -> None:
    there, here = Lake(s3_root), Lake(str(shop / "folder"))
    for lake in (there, here):
        said("run", folder=shop, RECSYS_LAKE=lake.root)
        assert publication.doctor(lake) == []
    one, two = publication.current(there), publication.current(here)
    assert one.name == "gen-000001"
    assert one.manifest["champion"] == two.manifest["champion"]
    assert _digests(one) == _digests(two)
    assert not (shop / "run" / "lake").exists()

    said("run", folder=shop, RECSYS_LAKE=there.root)
    assert [e.name for e in publication.entries(there)] == ["gen-000001"]
    assert one.manifest["champion"] in said("champion", "show", folder=shop, RECSYS_LAKE=there.root)


def test_a_store_that_is_away_ends_the_night_in_seconds_with_a_sentence(
    shop: Path, s3_root: str, closed_port: int
) -> None:
    began = time.monotonic()
    night = recsys("run", folder=shop, RECSYS_LAKE=s3_root, AWS_ENDPOINT_URL=f"http://127.0.0.1:{closed_port}")
    _, told = night.communicate()
    assert time.monotonic() - began < 90
    assert night.returncode != 0
    assert "Traceback" not in told
    assert f"The store {s3_root} cannot be used" in told.replace("\n", " ")


def _digests(entry: publication.Entry) -> dict[str, str]:
    return {name: ref["sha256"] for name, ref in entry.manifest["files"].items()}
