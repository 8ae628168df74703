"""The lake: written once, claimed once, read as written."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.contract import F32
from recsys.data.lake import Lake, Ref
from recsys.errors import StoreError


@dataclass(frozen=True)
class Pair:
    name: str
    values: F32


def test_what_was_put_first_stays(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    first = lake.put_new("a/b", b"one")
    assert lake.put_new("a/b", b"two") == first
    assert lake.read(first) == b"one"


def test_of_many_claimants_one_wins(tmp_path: Path) -> None:
    lake, won = Lake(str(tmp_path)), []
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


def test_a_changed_object_is_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    ref = lake.put_new("a", b"abc")
    (tmp_path / "a").write_bytes(b"abd")
    with pytest.raises(StoreError, match="damaged"):
        lake.read(ref)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_a_path_cannot_leave_the_lake(tmp_path: Path, path: str) -> None:
    with pytest.raises(StoreError, match="leaves the lake"):
        Lake(str(tmp_path / "lake")).put_new(path, b"")


def test_a_pointer_is_replaced(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.point("CURRENT", b"1")
    lake.point("CURRENT", b"2")
    assert lake.read("CURRENT") == b"2"


def test_values_and_frames_come_back(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    ref = lake.put_value("v", Pair("x", np.array([1, 2.5], dtype=np.float32)))
    back = lake.read_value(Pair, ref)
    assert (back.name, back.values.tolist()) == ("x", [1.0, 2.5])
    frame = pl.DataFrame({"a": ["00042", None]})
    table = lake.put_frame("f", frame)
    assert table.rows == 2
    assert lake.read_frame(table).equals(frame)


def test_missing_and_unwritable_say_where(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        Lake(str(tmp_path)).read(Ref("nowhere", "0"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Lake(str(tmp_path)).put_new("file/inside", b"x")
