"""The switch per seller on the sequence of generations: carried on, refused in words, and seen by the doctor."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from recsys import publication
from recsys.cli.publication import _traffic
from recsys.contest import arms
from recsys.data.lake import Lake
from recsys.errors import ConflictError, StoreError, UsageError
from recsys.ranking.assign import Allocation, allocated


def night(lake: Lake, day: int, champion: str, off: list[str]) -> publication.Entry:
    """A generation as a night leaves it."""
    table = BytesIO()
    pl.DataFrame({"product": ["p1", "p2", "p3"], "seller": ["anna", "bert", None]}).write_parquet(table)
    traffic = {"arms": {"champion": 0.75, "als": 0.25}, "salt": "allocation", "sellers": {}}
    files = {
        "products.parquet": table.getvalue(),
        "allocation.json": json.dumps(traffic).encode(),
        "lists.parquet": b"x",
    }
    told = {"key": f"k{day}", "as_of": f"2024-01-0{day}", "day": day, "champion": champion, "off": off}
    number = publication.standing(lake).number
    return publication.publish(lake, number, files, told | {"traffic": traffic}, {"lists.parquet": 7})


def shares(lake: Lake) -> Allocation:
    return Allocation.from_json(publication.read_file(lake, publication.current(lake), "allocation.json").decode())


def test_off_and_on_again_leaves_everybody_where_they_were(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    night(lake, 1, "ease", [])
    before = {visitor: allocated(shares(lake), visitor, "anna") for visitor in map(str, range(100))}
    entry = arms.switch(lake, ["anna"], "a pause")
    assert (entry.number, entry.serves) == (2, "gen-000002")
    assert entry.manifest["reasons"] == ["a pause"]
    assert entry.manifest["files"]["lists.parquet"]["rows"] == 7
    assert allocated(shares(lake), "v", "anna") == ("popular", 1.0)
    assert allocated(shares(lake), "v", "bert")[0] in ("champion", "als")
    assert arms.switched_off(lake) == ["anna"]
    arms.switch(lake, [], "over")
    assert {visitor: allocated(shares(lake), visitor, "anna") for visitor in before} == before
    standing = publication.standing(lake)
    assert (standing.champion, standing.since, standing.held) == ("ease", "2024-01-01", False)


def test_what_cannot_be_switched_is_said(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    with pytest.raises(StoreError, match="Nothing is published"):
        arms.switch(lake, ["anna"], "")
    night(lake, 1, "ease", [])
    with pytest.raises(UsageError, match=r"no seller 'ana'.*Did you mean anna"):
        arms.switch(lake, ["ana"], "")
    with pytest.raises(UsageError, match="stands like this already"):
        arms.switch(lake, [], "")
    assert publication.standing(lake).number == 1


def test_a_night_that_runs_meanwhile_loses(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    night(lake, 1, "ease", [])
    arms.switch(lake, ["anna"], "")
    with pytest.raises(ConflictError):
        publication.publish(lake, 1, {}, {"key": "late", "as_of": "2024-01-02", "day": 2, "champion": "ease"}, {})


def test_the_doctor_sees_a_rollback_that_forgot_the_switch(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    night(lake, 1, "als", [])
    night(lake, 2, "ease", [])
    arms.switch(lake, ["anna", "bert"], "")
    assert _traffic(lake) == []
    publication.rollback(lake, "worse")
    assert _traffic(lake) == [
        "Switched off last were anna, bert; what is served has nobody: `recsys allocation set` puts it right."
    ]
    arms.switch(lake, arms.switched_off(lake), "again")
    assert _traffic(lake) == []
    assert publication.standing(lake).barred == ("ease",)  # what the rollback bound still binds
