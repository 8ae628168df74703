"""The sequence of generations: one authority, compare-and-set, rollback, and what a crash may not do."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from recsys import publication
from recsys.data.lake import Lake
from recsys.errors import ConflictError, StoreError, UsageError


def manifest(night: int, champion: str) -> dict[str, Any]:
    return {
        "key": f"night{night}-{champion}",
        "as_of": f"2024-01-{night:02d}",
        "day": 19723 + night,
        "champion": champion,
        "contenders": ["a", "b"],
        "barred": [],
        "held": False,
        "reasons": ["because"],
    }


def publish(lake: Lake, night: int, champion: str) -> publication.Entry:
    base = publication.standing(lake).number
    return publication.publish(lake, base, {"lists": f"{night} {champion}".encode()}, manifest(night, champion), {})


def test_the_newest_is_served(root: str) -> None:
    lake = Lake(root)
    assert publication.standing(lake).champion is None
    with pytest.raises(StoreError, match="Nothing is published"):
        publication.current(lake)
    publish(lake, 1, "a")
    publish(lake, 2, "b")
    entry = publication.current(lake)
    assert (entry.name, publication.read_file(lake, entry, "lists")) == ("gen-000002", b"2 b")
    now = publication.standing(lake)
    assert (now.champion, now.since, now.number) == ("b", "2024-01-02", 2)
    assert publication.doctor(lake) == []


def test_since_goes_back_to_the_last_change(root: str) -> None:
    lake = Lake(root)
    for night, champion in enumerate("aabbb", start=1):
        publish(lake, night, champion)
    assert publication.standing(lake).since == "2024-01-03"


def test_a_second_try_of_the_same_night_finishes_its_own_claim(root: str) -> None:
    lake = Lake(root)
    publish(lake, 1, "a")
    lake.claim("generations/gen-000002/claim.json", b'{"key": "night2-a", "at": %d}' % time.time())
    assert publish(lake, 2, "a").name == "gen-000002"


def test_an_unfinished_claim_of_another_is_respected_until_it_is_stale(root: str) -> None:
    lake = Lake(root)
    publish(lake, 1, "a")
    lake.claim("generations/gen-000002/claim.json", b'{"key": "other", "at": %d}' % time.time())
    with pytest.raises(ConflictError, match="being written by another"):
        publish(lake, 2, "a")
    assert publication.current(lake).name == "gen-000001"
    lake.point("generations/gen-000002/claim.json", b'{"key": "other", "at": 0}')
    assert publish(lake, 2, "a").name == "gen-000003"
    assert publication.doctor(lake) == ["gen-000002 was claimed and never finished."]


def test_who_decided_on_an_older_entry_loses(root: str) -> None:
    lake = Lake(root)
    publish(lake, 1, "a")
    publish(lake, 2, "b")
    with pytest.raises(ConflictError, match="first"):
        publication.publish(lake, 1, {}, manifest(2, "a"), {})


def test_rollback_serves_the_generation_before_the_last_change_and_bars_the_contender(root: str) -> None:
    lake = Lake(root)
    for night, champion in enumerate("aabb", start=1):
        publish(lake, night, champion)
    publication.rollback(lake, "bad lists")
    now = publication.standing(lake)
    assert (publication.current(lake).name, now.champion, now.barred, now.held) == ("gen-000002", "a", ("b",), False)
    assert b"gen-000002" in lake.read("CURRENT")
    publication.release(lake)
    now = publication.standing(lake)
    assert (publication.current(lake).name, now.barred) == ("gen-000002", ())


def test_rollback_within_one_champion_holds_publishing(root: str) -> None:
    lake = Lake(root)
    publish(lake, 1, "a")
    with pytest.raises(UsageError, match="at least two"):
        publication.rollback(lake, "")
    publish(lake, 2, "a")
    publication.rollback(lake, "")
    now = publication.standing(lake)
    assert (publication.current(lake).name, now.held, now.barred) == ("gen-000001", True, ())


def test_promotion_by_hand_is_kept_for_the_next_night(root: str) -> None:
    lake = Lake(root)
    publish(lake, 1, "a")
    with pytest.raises(UsageError, match="cannot be promoted"):
        publication.promote(lake, "c", "")
    entry = publication.promote(lake, "b", "the board wants it")
    assert entry.manifest["wanted"] == "b"
    assert publication.current(lake).name == "gen-000001"


def test_a_flipped_bit_is_found_and_never_served(root: str) -> None:
    lake = Lake(root)
    entry = publish(lake, 1, "a")
    path = entry.manifest["files"]["lists"]["path"]
    for bit in random.Random(0).sample(range(8 * 3), 8):
        blob = bytearray(b"1 a")
        blob[bit // 8] ^= 1 << bit % 8
        lake.point(path, bytes(blob))
        with pytest.raises(StoreError, match="damaged"):
            publication.read_file(lake, entry, "lists")
    assert publication.doctor(lake) == ["gen-000001: lists is missing or damaged."]


def test_doctor_mends_the_pointer(root: str) -> None:
    lake = Lake(root)
    publish(lake, 1, "a")
    lake.point("CURRENT", b'{"generation": "gen-000009", "entry": 9}')
    assert "gen-000009" in publication.doctor(lake, fix=True)[0]
    assert publication.doctor(lake) == []


ROUNDS, PROMOTERS = 15, 8


def _promote(root: str, champion: str, gate: Any, told: Any) -> None:
    for turn in range(ROUNDS):
        gate.wait()
        try:
            told.put((turn, publish(Lake(f"{root}/{turn}"), 2, champion).number, champion))
        except ConflictError:
            told.put((turn, 0, champion))


@pytest.mark.slow
def test_eight_concurrent_promoters_leave_one_champion_and_no_lost_update(root: str) -> None:
    fork = multiprocessing.get_context("fork")
    for turn in range(ROUNDS):
        publish(Lake(f"{root}/{turn}"), 1, "a")
    gate, told = fork.Barrier(PROMOTERS), fork.Queue()
    promoters = [fork.Process(target=_promote, args=(root, f"c{i}", gate, told)) for i in range(PROMOTERS)]
    for p in promoters:
        p.start()
    outcomes = [told.get(timeout=120) for _ in range(ROUNDS * PROMOTERS)]
    for p in promoters:
        p.join()
    for turn in range(ROUNDS):
        lake = Lake(f"{root}/{turn}")
        winners = sorted((number, champion) for at, number, champion in outcomes if at == turn and number)
        numbers = [number for number, _ in winners]
        assert len(numbers) == len(set(numbers)) >= 1
        assert publication.standing(lake).champion == winners[-1][1]
        assert publication.doctor(lake) == []


def _publish_for_ever(root: str) -> None:
    lake, night = Lake(root), publication.standing(Lake(root)).number
    while True:
        night += 1
        files = {f"f{i}": f"{night}".encode() * 2000 for i in range(5)}
        key = {**manifest(1, "a"), "key": f"n{night}-{os.getpid()}"}
        publication.publish(lake, publication.standing(lake).number, files, key, {})


@pytest.mark.slow
def test_a_publisher_killed_anywhere_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication.change, "STALE_SECONDS", 0.0)
    spawn, rng = multiprocessing.get_context("fork"), random.Random(1)
    root, lake = str(tmp_path), Lake(str(tmp_path))
    publish(lake, 1, "a")
    for _ in range(60):
        publisher = spawn.Process(target=_publish_for_ever, args=(root,))
        publisher.start()
        time.sleep(rng.uniform(0.005, 0.06))
        os.kill(publisher.pid or 0, signal.SIGKILL)
        publisher.join()
        entry = publication.current(lake)
        assert publication.damaged(lake, entry) == []
    publication.doctor(lake, fix=True)
    assert not [s for s in publication.doctor(lake) if "CURRENT" in s or "damaged" in s]
