"""The lake: written once, claimed once, read as written."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsys.contract import F32
from recsys.data.lake import Lake, Ref, ref_from
from recsys.errors import StoreError


@dataclass(frozen=True)
class Pair:
    name: str
    values: F32


def test_what_was_put_first_stays(root: str) -> None:
    lake = Lake(root)
    first = lake.put_new("a/b", b"one")
    assert lake.put_new("a/b", b"two") == first
    assert lake.read(first) == b"one"


def test_of_many_claimants_one_wins(root: str) -> None:
    lake, won = Lake(root), []
    gate = threading.Barrier(8)

    def claim(i: int) -> None:
        gate.wait()
        if lake.claim("gen/claim", str(i).encode()):
            won.append(i)

    threads = [threading.Thread(target=claim, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [str(w).encode() for w in won] == [lake.read("gen/claim")]
    assert list(lake.paths("")) == ["gen/claim"]  # no private file is left behind


def test_a_changed_object_is_refused(root: str) -> None:
    lake = Lake(root)
    ref = lake.put_new("a", b"abc")
    lake.point("a", b"abd")
    with pytest.raises(StoreError, match="damaged"):
        lake.read(ref)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_a_path_cannot_leave_the_lake(root: str, path: str) -> None:
    with pytest.raises(StoreError, match="leaves the lake"):
        Lake(root).put_new(path, b"")


def test_a_pointer_is_replaced(root: str) -> None:
    lake = Lake(root)
    lake.point("CURRENT", b"1")
    lake.point("CURRENT", b"2")
    assert lake.read("CURRENT") == b"2"


def test_values_and_frames_come_back(root: str) -> None:
    lake = Lake(root)
    ref = lake.put_value("v", Pair("x", np.array([1, 2.5], dtype=np.float32)))
    back = lake.read_value(Pair, ref)
    assert (back.name, back.values.tolist()) == ("x", [1.0, 2.5])
    frame = pl.DataFrame({"a": ["00042", None]})
    table = lake.put_frame("f", frame)
    assert table.rows == 2
    assert lake.read_frame(table).equals(frame)


def test_frames_are_scanned_as_one_and_a_damaged_one_is_refused(root: str) -> None:
    lake = Lake(root)
    refs = [lake.put_frame(f"f/{i}.parquet", pl.DataFrame({"a": values})) for i, values in enumerate([[1, 2], [3]])]
    assert lake.scan_frames(refs).collect()["a"].to_list() == [1, 2, 3]
    lake.point("f/1.parquet", b"something else")
    with pytest.raises(StoreError, match="damaged"):
        lake.scan_frames(refs)


def test_paths_are_in_the_order_of_folders(root: str) -> None:
    lake = Lake(root)
    for path in ("a/c", "a-b/c", "b", "a/b/c"):
        lake.put_new(path, b"")
    assert list(lake.paths("")) == ["a/b/c", "a/c", "a-b/c", "b"]
    assert list(lake.paths("a")) == ["a/b/c", "a/c"]
    assert list(lake.paths("nowhere")) == []


def test_many_are_read_in_the_order_asked(root: str) -> None:
    lake = Lake(root)
    for name, value in (("a", [1]), ("b", {"x": None}), ("c", "text")):
        lake.put_json(name, value)
    assert lake.read_jsons(["c", "a", "b"]) == ["text", [1], {"x": None}]
    assert lake.read_jsons(["b"]) == [{"x": None}]
    assert lake.read_jsons([]) == []
    with pytest.raises(StoreError, match="cannot be read from"):
        lake.read_jsons(["a", "nowhere"])


def test_what_is_removed_is_gone_and_may_be_removed_again(root: str) -> None:
    lake = Lake(root)
    lake.put_new("a/b", b"1")
    assert 0 <= lake.age("a/b") < 60
    lake.remove("a/b")
    lake.remove("a/b")
    assert not lake.exists("a/b")
    assert list(lake.paths("")) == []


def test_what_is_not_there_says_where(root: str) -> None:
    with pytest.raises(StoreError, match="nowhere cannot be read from"):
        Lake(root).read(Ref("nowhere", "0"))


def test_an_unwritable_place_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Lake(str(tmp_path)).put_new("file/inside", b"x")


def test_what_is_made_once_is_made_again_where_its_files_were_tidied_away(root: str) -> None:
    lake, made = Lake(root), []

    def make() -> dict[str, Any]:
        made.append(1)
        return {"parts": [lake.put_new("fits/a", b"arrays").json()], "try": len(made)}

    first = lake.once("record.json", make)
    assert lake.once("record.json", make) == first
    lake.remove("fits/a")
    assert lake.known("record.json") is None
    again = lake.once("record.json", make)
    assert (again["try"], len(made)) == (2, 2)
    assert lake.known("record.json") == again
    assert lake.read(ref_from(again["parts"][0])) == b"arrays"


def test_tables_are_read_from_a_folder_whatever_it_is_called(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "a [b]*c"))
    refs = [lake.put_frame(f"t/{n}.parquet", pl.DataFrame({"n": [n]})) for n in range(2)]
    assert lake.scan_frames(refs).collect()["n"].to_list() == [0, 1]
