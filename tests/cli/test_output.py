"""What every command shares: results written whole or not at all, commands that can be pasted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.cli.output import result_file, whereabouts, write_json
from recsys.config import parse
from recsys.data.lake import Lake
from recsys.errors import UsageError


@dataclass(frozen=True)
class Pair:
    name: str
    value: float


def test_dataclasses_and_numpy_are_written_and_what_is_no_number_is_null(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    write_json(file, {"pairs": [Pair("a", float("nan")), Pair("b", float(np.float32(0.5)))], "n": np.int64(3)})
    assert json.loads(file.read_text()) == {
        "pairs": [{"name": "a", "value": None}, {"name": "b", "value": 0.5}],
        "n": 3,
    }
    assert [f.name for f in tmp_path.iterdir()] == ["out.json"]


def test_nothing_is_asked_for_and_nothing_written() -> None:
    assert result_file(None) is None
    write_json(None, object())


@pytest.mark.parametrize("path", [".", "nowhere/out.json"])
def test_a_place_that_cannot_be_written_is_known_before_the_work(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match="a file that can be written"):
        result_file(tmp_path / path)


def test_a_disk_that_fails_later_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".out.json.part").mkdir()
    with pytest.raises(UsageError, match=r"out\.json cannot be written"):
        write_json(tmp_path / "out.json", {})


def test_the_command_can_be_pasted_whatever_the_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "my shop [a]"
    lake = Lake(str(place / "lake"))
    lake.put_frame("generations/gen-000007/lists.parquet", pl.DataFrame({"customer": [None, "c 1"]}))
    monkeypatch.setattr("sys.argv", [str(place / "recsys")])
    monkeypatch.chdir(tmp_path)
    lines = whereabouts(parse({"folder": str(tmp_path)}), place / "recsys.toml", lake.root, "gen-000007")
    assert lines[0] == "Lists    my shop [a]/lake/generations/gen-000007/lists.parquet"
    assert lines[1].strip() == "'my shop [a]/recsys' recommend 'c 1' --config 'my shop [a]/recsys.toml'"
