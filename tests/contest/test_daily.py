"""Windows of daily evidence: which count, and which are read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from recsys.contest import daily
from recsys.contest.daily import Evidence
from recsys.data.lake import Lake


def window(first_day: int, last_day: int) -> Evidence:
    one = np.ones((1, 2))
    return Evidence(("a",), one, one, np.array(["u", "v"], dtype=object), first_day, last_day, f"night {last_day}")


def kept(windows: list[Evidence]) -> list[tuple[int, int]]:
    return [(w.first_day, w.last_day) for w in windows]


def test_the_newest_windows_count_and_each_day_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for first, last in ((5, 7), (8, 8), (9, 10), (8, 10), (11, 11)):
        daily.store(lake, window(first, last))
    assert kept(daily.recent(lake, 11, 9)) == [(11, 11), (9, 10), (8, 8), (5, 7)]  # 8 to 10 would count 9 and 10 twice
    assert kept(daily.recent(lake, 10, 2)) == [(9, 10), (8, 8)]
    assert kept(daily.recent(lake, 9, 9)) == [(8, 8), (5, 7)]
    assert daily.recent(lake, 4, 9) == []
    assert daily.known(lake, 9, 10)
    assert not daily.known(lake, 10, 9)


def test_only_what_counts_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, read = Lake(str(tmp_path)), []
    for day in range(1, 40):
        daily.store(lake, window(day, day))
    blobs = Lake.read

    def reading(self: Lake, ref: str) -> bytes:
        read.append(ref)
        return blobs(self, ref)

    monkeypatch.setattr(Lake, "read", reading)
    found = daily.recent(lake, 30, 3)
    assert kept(found) == [(30, 30), (29, 29), (28, 28)]
    assert len(read) == 3
    assert dataclasses.asdict(found[0])["names"] == ("a",)
