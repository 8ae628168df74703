"""Facts lie where they can be found again: by standing, whole or not at all, and everything is read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys import publication
from recsys.config import Settings
from recsys.contest import experiments
from recsys.contest.evidence import Evidence, Found
from recsys.contest.optional import attempt
from recsys.data import ingest
from recsys.data.lake import Lake, ref_from
from recsys.errors import DataError, RecsysError, StoreError

NIGHT = {"as_of": "2024-01-09", "key": "k9", "day": 19_731, "seed": 0}


def read(lake: Lake, night: dict[str, Any] | None = None) -> dict[str, Any]:
    return experiments.experiments(Settings(), lake, night or NIGHT, [])


def publish(lake: Lake, key: str, champion: str) -> None:
    told = {"key": key, "as_of": "2024-01-08", "day": 19_730, "champion": champion}
    publication.publish(lake, publication.standing(lake).number, {}, told, {})


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part leaves the champion's name, in its facts and in a table."""

    def part(evidence: Evidence) -> Found:
        row = {"champion": evidence.champion or "nobody"}
        return Found({**row, "exposures": 0}, {"names": [row]})

    monkeypatch.setattr(experiments, "PARTS", dict.fromkeys(experiments.PARTS, part))


@pytest.mark.usefixtures("parts")
def test_facts_and_tables_are_those_of_the_standing_the_night_decides_on(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    told = []
    for key, champion in (("k7", "ease"), ("k8", "als"), ("k9", "ease")):
        publish(lake, key, champion)
        told.append(read(lake))
    assert [facts["money"]["champion"] for facts in told] == ["ease", "als", "als"]  # the third is the night's own
    named = [lake.read_frame(ref_from(facts["tables"]["names"]))["champion"].to_list() for facts in told]
    assert named == [["ease"], ["als"], ["als"]]
    assert told[1] == told[2]


@pytest.mark.parametrize("error", [DataError, StoreError])
def test_a_lake_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[RecsysError]
) -> None:
    lake, wrong = Lake(str(tmp_path)), [error("Orders", got="planted")]

    def part(evidence: Evidence) -> Found:
        if wrong:
            raise wrong[0]
        return Found({"exposures": 0})

    monkeypatch.setattr(experiments, "PARTS", dict.fromkeys(experiments.PARTS, part))
    first = attempt("experiments", lambda: read(lake))
    wrong.clear()
    if error is DataError:
        assert first["money"] == {"status": "refused", "reason": "Orders; got planted."}
        assert read(lake) == first
    else:
        assert first["status"] == "failed"
        assert read(lake)["money"]["status"] == "ok"


@pytest.mark.usefixtures("parts")
def test_a_refused_file_is_told_whether_or_not_there_are_older_exposures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, refused = Lake(str(tmp_path)), {"shown.csv": "shown.csv lacks a column for propensity"}
    night = {**NIGHT, "ingested": {"refused": refused}}
    assert read(lake, night)["reason"] == refused["shown.csv"]  # nothing was ever handed over
    assert read(lake)["reason"] == "No exposures were handed over."
    monkeypatch.setattr(ingest, "lake_exposures", lambda *_: pl.DataFrame({"arm": ["als"]}))
    for told in (read(lake, {**night, "key": "older"}), read(lake, {**night, "key": "older"})):
        assert told["refused"] == [refused["shown.csv"]]
        assert "reason" not in told
    assert read(lake, {**NIGHT, "key": "older"})["refused"] == []
