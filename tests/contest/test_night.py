"""The books of a night: records between tasks, and a champion that cannot be fitted any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys import publication, steps
from recsys.contest import night as books
from recsys.contest.decide import Standing
from recsys.data.lake import Lake
from recsys.errors import ConflictError, StoreError
from tests.shops import live
from tests.test_steps import TOML, write_orders

SERVED = {"as_of": "2024-03-20", "scorer_age_nights": 0}
NIGHT = {"as_of": "2024-03-25", "key": "k", "day": 19807}


def test_a_scorer_of_last_night_has_no_age_however_long_ago_that_was() -> None:
    now = publication.Standing(3, SERVED, "a", "2024-03-18", ("b",), False, "c")
    assert books.standing(now, NIGHT) == Standing("a", 7, ("b",), False, "c", 0)
    stale = publication.Standing(3, SERVED | {"scorer_age_nights": 2}, "a", "2024-03-18", (), False)
    assert books.standing(stale, NIGHT).scorer_age == 7


def test_a_decision_names_its_data_and_its_settings() -> None:
    from recsys.config import Settings

    one = Settings.model_validate({"contest": {"days": 14}, "folder": "/here", "runtime": "/there"})
    told = books.digests(one, {"digest": "d4"})
    assert (told["data"], len(told["config"])) == ("d4", 16)
    elsewhere = one.model_copy(update={"folder": "/somewhere", "runtime": "/else"})
    assert books.digests(elsewhere, {"digest": "d4"}) == told  # where things lie changes no result
    other = Settings.model_validate({"contest": {"days": 15}})
    assert books.digests(other, {"digest": "d4"})["config"] != told["config"]


def test_when_a_night_publishes_nothing() -> None:
    now = publication.Standing(3, SERVED, "a", "2024-03-18", (), False)
    decision = {"champion": "a", "base": 3}
    assert books.why_not(now, NIGHT, decision) is None
    assert "lies before" in str(books.why_not(now, NIGHT | {"as_of": "2024-03-19"}, decision))
    held = publication.Standing(3, SERVED, "a", "2024-03-18", (), True)
    assert "held" in str(books.why_not(held, NIGHT, decision))
    with pytest.raises(ConflictError, match="entry 3; wanted entry 2"):
        books.why_not(now, NIGHT, decision | {"base": 2})
    with pytest.raises(StoreError, match="Nothing can be published"):
        books.why_not(publication.Standing(0, None, None, None, (), False), NIGHT, {"champion": None, "base": 0})


def test_what_travels_is_small() -> None:
    record = {"name": "a", "status": "ok", "progress": [{"step": 1.0}] * 500}
    assert books.small(record) == {"name": "a", "status": "ok", "epochs": 500}
    fitted = {"name": "a", "report": {"rung": "logit", "tables": {"large": 1}}}
    assert books.small(fitted)["report"] == {"rung": "logit"}


def test_contenders_without_a_score_come_last() -> None:
    from recsys.config import Settings

    def tracks(mean: float | None) -> dict[str, Any]:
        return {"new": {"metrics": {"ndcg_at_10": {"mean": mean}}}}

    rows = [
        {"name": "lost", "status": "failed", "reason": "NaN"},
        {"name": "silent", "status": "ok", "tracks": tracks(None)},
        {"name": "worse", "status": "ok", "tracks": tracks(0.0)},
        {"name": "better", "status": "ok", "tracks": tracks(0.2)},
    ]
    assert [r["name"] for r in books.leaderboard(rows, Settings())] == ["better", "worse", "lost", "silent"]


@pytest.mark.slow
def test_a_champion_whose_fit_fails_is_served_from_its_last_one_and_replaced_after_a_week(tmp_path: Path) -> None:
    """`late` learns from one day; after 2024-03-20 there are none until 2024-04-01."""
    config = tmp_path / "recsys.toml"
    config.write_text(TOML.format(root=tmp_path).replace('bar = ["popularity_28d"]', 'bar = ["late"]'))
    write_orders(tmp_path / "orders.csv", "2024-03-20")
    with (tmp_path / "orders.csv").open("a") as orders:
        orders.write("z1,c01,p101,1,6,2024-04-01T12:00:00Z,north,t1\n")
    lake = Lake(str(tmp_path / "runtime" / "lake"))

    def night(as_of: str, *contenders: str) -> dict[str, Any]:
        asked = {"config": str(config), "contenders": list(contenders), "as_of": as_of}
        told = live(asked)
        published = told["publication"]
        travelled = [told["night"], steps.judge(told["night"]), *told["backtests"], *told["fits"], published]
        assert max(len(json.dumps(value)) for value in travelled) < 30_000
        manifest = dict(publication.current(lake).manifest)
        assert (manifest["champion"], manifest["as_of"]) == (published["champion"], as_of)
        return manifest

    first = night("2024-03-20", "late")
    assert (first["champion"], first["scorer_age_nights"]) == ("late", 0)
    second = night("2024-03-21", "late", "popularity")
    assert (second["champion"], second["scorer_age_nights"]) == ("late", 1)
    assert second["files"]["champion.safetensors"]["sha256"] == first["files"]["champion.safetensors"]["sha256"]
    assert night("2024-03-26", "late", "popularity")["scorer_age_nights"] == 6
    last = night("2024-03-27", "late", "popularity")
    assert (last["champion"], last["scorer_age_nights"], last["action"]) == ("popularity", 0, "promote")
    assert "could not be fitted for 7 nights" in last["reasons"][0]


def test_where_a_dataset_lies_depends_on_the_data_and_on_what_changes_results(tmp_path: Path) -> None:
    from recsys.config import parse

    lake = Lake(str(tmp_path))
    place, inputs = books.dataset_inputs(parse({"shop": {"name": "a"}}), lake, 19_723)
    assert place.startswith("datasets/2024-01-01-")
    assert len(inputs) == 2
    moved = parse({"shop": {"name": "a"}, "runtime": "elsewhere", "tracking": {"url": "http://x"}, "folder": "/y"})
    assert books.dataset_inputs(moved, lake, 19_723) == (place, inputs)
    assert books.dataset_inputs(parse({"shop": {"name": "b"}}), lake, 19_723)[0] != place
