"""Old nights are tidied away; what is served, can be served, or is younger than a day stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from recsys import publication, steps
from recsys.contest.retention import tidy
from recsys.data.lake import Lake
from recsys.errors import StoreError


def a_night(lake: Lake, day: int, champion: str) -> publication.Entry:
    """A night with a dataset, a scorer per contender, a backtest card and a generation."""
    as_of, key = f"2024-01-{day:02d}", f"night{day}"
    folder = f"nights/{as_of}/{key}"
    dataset = lake.put_new(f"datasets/{as_of}-x", b"data %d" % day)
    lake.put_new(f"{folder}/backtest/a/new.safetensors", b"card %d" % day)
    lake.put_new(f"blends/{key}/past.safetensors", b"past %d" % day)
    lake.point(f"reports/{as_of}-{key[:8]}.html", b"page")
    lake.point(f"reports/{as_of}-{key[:8]}/seller.html", b"page")
    lake.point("reports/latest.html", b"page")
    fits = {
        name: {"status": "ok", "scorer": lake.put_new(f"fits/{name}/{key}/scorer.safetensors", name.encode()).json()}
        for name in ("a", "b")
    }
    closed = lake.put_json(f"{folder}/closed-{key}.json", {"dataset": dataset.json(), "fits": fits}).path
    manifest = {"key": key, "as_of": as_of, "day": 19723 + day, "champion": champion, "night": closed}
    return publication.publish(lake, publication.standing(lake).number, {"lists": b"l%d" % day}, manifest, {})


def grow_old(lake: Lake) -> None:
    then = time.time() - 2 * 86_400
    for path in Path(lake.root).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_the_newest_generations_the_served_one_and_its_way_back_stay(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    entries = [a_night(lake, day, champion) for day, champion in enumerate("aabbbbb", start=1)]
    grow_old(lake)
    assert tidy(lake, 2) == {"generations": 4, "files": 4 * 8 + 3}  # kept: 7, 6 and 2, before b; no blend's past is
    alive = [not publication.damaged(lake, e) for e in entries]
    assert alive == [False, True, False, False, False, True, True]
    assert lake.exists("fits/a/night7/scorer.safetensors")
    assert lake.exists("datasets/2024-01-06-x")
    assert not lake.exists("datasets/2024-01-03-x")
    assert lake.exists("reports/latest.html")
    assert lake.exists("reports/2024-01-06-night6/seller.html")
    assert not lake.exists("reports/2024-01-03-night3.html")
    assert lake.exists("nights/2024-01-03/night3/closed-night3.json")
    assert publication.doctor(lake) == []
    assert [e.manifest["champion"] for e in publication.entries(lake)] == list("aabbbbb")
    assert tidy(lake, 2) == {"generations": 0, "files": 0}


def test_a_rollback_goes_to_what_was_kept_and_never_to_what_is_gone(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for day, champion in enumerate("aabbb", start=1):
        a_night(lake, day, champion)
    grow_old(lake)
    tidy(lake, 1)
    assert publication.rollback(lake, "worse").serves == "gen-000002"
    with pytest.raises(StoreError, match="gen-000001 cannot be served again"):
        publication.rollback(lake, "worse still")
    assert publication.standing(lake).champion == "a"


def test_what_a_running_night_has_written_is_left_alone(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for day in range(1, 5):
        a_night(lake, day, "a")
    grow_old(lake)
    lake.put_new("fits/c/tonight/scorer.safetensors", b"not yet in any book")
    tidy(lake, 2)
    assert lake.exists("fits/c/tonight/scorer.safetensors")


def test_an_empty_lake_has_nothing_to_tidy(tmp_path: Path) -> None:
    assert tidy(Lake(str(tmp_path)), 5) == {"generations": 0, "files": 0}


def test_a_night_that_is_published_does_not_fail_for_its_tidying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recsys.toml").write_text(f'[orders]\npath = "{tmp_path}/orders.csv"\n')

    def broken(*_: object) -> None:
        raise PermissionError("somebody holds the file")

    monkeypatch.setattr("recsys.contest.retention.tidy", broken)
    told = steps.tidy({"config": str(tmp_path / "recsys.toml"), "lake": str(tmp_path)}, {"current": True})
    assert told["status"] == "failed"
    assert "somebody holds the file" in told["reason"]
