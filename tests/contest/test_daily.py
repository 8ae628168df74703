"""Windows of daily evidence: which count, and which are read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from recsys.config import Contest, parse
from recsys.contest import daily
from recsys.contest.daily import Evidence
from recsys.data.lake import Lake
from recsys.errors import ConfigError


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


def drawn(day: int, n: int, spread: float) -> Evidence:
    """Two contenders that are alike on n customers, one a noisy copy of the other."""
    rng = np.random.default_rng(day)
    a = rng.random(n)
    values = np.stack([a, a + rng.normal(0, spread, n)])
    ids = np.array([f"{day}-{i}" for i in range(n)], dtype=object)
    return Evidence(("a", "b"), values, values * 0, ids, day, day, f"night {day}")


@pytest.mark.parametrize(
    ("spread", "nights"),
    [
        (0.05, 7),  # enough in a week
        (0.5, None),  # (1.96 + .8416)^2 .5^2 / (.09 x .5)^2 = 969 customers: about 25 nights of 40
        (3.0, 90),  # 90 nights would be too few
    ],
)
def test_auto_pools_as_many_nights_as_the_power_asks_for(tmp_path: Path, spread: float, nights: int | None) -> None:
    lake, contest = Lake(str(tmp_path)), Contest(evidence_nights="auto")
    for day in range(1, 96):
        daily.store(lake, drawn(day, 40, spread))
    found = daily.weighed(lake, 95, "a", contest)
    assert [w.last_day for w in found] == list(range(95, 95 - len(found), -1))
    assert len(found) == nights if nights else 20 < len(found) < 31
    assert len(daily.weighed(lake, 95, None, contest)) == 7
    assert len(daily.weighed(lake, 95, "somebody else", contest)) == 7
    assert len(daily.weighed(lake, 95, "a", Contest(evidence_nights=3))) == 3
    assert len(daily.weighed(lake, 95, "a", Contest())) == 7


@pytest.mark.parametrize("wrong", [0, -1, "automatic", 2.5])
def test_other_numbers_of_nights_are_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="evidence_nights"):
        parse({"contest": {"evidence_nights": wrong}})


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
