"""One damaged thing beside the champion is lost, with its reason; the champion's own lists and scorer come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys.config import Settings, parse
from recsys.contest import arms, generation
from recsys.contest.arms import arm_files
from recsys.contest.generation import Material, files_of
from recsys.contract import Dataset, Run
from recsys.data.lake import Lake
from recsys.errors import StoreError
from recsys.models import catalog
from recsys.scorers.store import scorer_bytes
from tests import worlds

Json = dict[str, Any]


@pytest.fixture
def told(tmp_path: Path) -> tuple[Settings, Lake, Json, dict[str, Json]]:
    """A night after its fits: a bar and two contenders, the search left out."""
    lake, data = Lake(str(tmp_path)), worlds.checkerboard(40, 12)

    def record(family: str) -> Json:
        ref = lake.put_new(f"fits/{family}", scorer_bytes(catalog.build(family, {}).fit(data, Run()).scorer))
        return {"name": family, "family": family, "status": "ok", "scorer": ref.json()}

    night = {"as_of": "2024-01-01", "key": "abcdefgh", "day": 19_723, "sizes": {}, "seed": 0}
    night["dataset"] = lake.put_value("dataset", data).json()
    fits = {family: record(family) for family in ("popularity", "item_neighbours", "ease")}
    return parse({"publishing": {"search": False, "size": 4}}), lake, night, fits


def damaged(record: Json) -> Json:
    return {**record, "scorer": {**record["scorer"], "sha256": "0" * 64}}


def test_a_damaged_scorer_beside_the_champion_costs_its_own_tables_only(told: Any) -> None:
    settings, lake, night, fits = told
    whole, rows, facts = files_of(Material(settings, lake, night, fits), "popularity", fits["popularity"])
    assert facts["lost"] == {}
    beside = {"related.parquet", "complements.parquet", "complements.safetensors"}
    assert beside < set(whole)
    fits["item_neighbours"] = damaged(fits["item_neighbours"])
    broken_table = {"tables": {"assortment": {"path": "nights/a/assortment.parquet", "sha256": "0" * 64, "rows": 3}}}
    files, less, facts = files_of(Material(settings, lake, night, fits), "popularity", fits["popularity"], broken_table)
    assert set(files) == set(whole) - beside
    assert set(less) == set(rows) - beside
    assert {name: files[name] for name in files} == {name: whole[name] for name in files}
    assert set(facts["lost"]) == {"related", "complements", "complements.safetensors", "assortment"}
    assert "damaged" in facts["lost"]["related"]


def test_a_champion_that_is_damaged_is_an_error(told: Any) -> None:
    settings, lake, night, fits = told
    with pytest.raises(StoreError, match="damaged"):
        files_of(Material(settings, lake, night, fits), "popularity", damaged(fits["popularity"]))


def test_search_that_breaks_is_lost_alone(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, lake, night, fits = told

    def broken(*_: Any) -> Any:
        raise ValueError("native surprise")

    monkeypatch.setattr(generation, "search_files", broken)
    files, _, facts = files_of(Material(settings, lake, night, fits), "popularity", fits["popularity"])
    assert "champion.safetensors" in files
    assert facts["lost"] == {"search": "ValueError: native surprise. The log has the traceback."}


def test_an_arm_that_cannot_be_served_gives_its_traffic_to_the_champion(told: Any) -> None:
    settings, lake, night, fits = told
    shares = {"champion": 0.5, "ease": 0.25, "item_neighbours": 0.25}
    trial = {"allocation": {"arms": shares, "salt": "allocation", "sellers": {}}}
    files, rows, facts = arm_files(Material(settings, lake, night, {**fits, "ease": damaged(fits["ease"])}), trial)
    assert set(files) == {"allocation.json", "lists-item_neighbours.parquet", "arm-item_neighbours.safetensors"}
    assert set(rows) == {"lists-item_neighbours.parquet"}
    assert facts["traffic"]["arms"] == {"champion": 0.75, "item_neighbours": 0.25}
    assert set(facts["lost"]) == {"arm ease"}
    assert "damaged" in facts["lost"]["arm ease"]


def test_shares_that_make_no_sense_leave_everything_to_the_champion(told: Any) -> None:
    settings, lake, night, fits = told
    trial = {"allocation": {"arms": {"champion": 0.5, "ease": 0.2}, "salt": "a", "sellers": {}}}
    files, _, facts = arms.arm_files(Material(settings, lake, night, fits), trial)
    assert set(files) == {"allocation.json"}
    assert facts["traffic"]["arms"] == {"champion": 1.0}
    assert "traffic" in facts["lost"]


def test_data_is_read_and_popularity_counted_once_for_all_arms(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, lake, night, fits = told
    read, counted = [], []
    read_value, popular_lately = Lake.read_value, generation.popular_lately
    monkeypatch.setattr(Lake, "read_value", lambda *given: read.append(given[1]) or read_value(*given))
    monkeypatch.setattr(generation, "popular_lately", lambda data: counted.append(1) or popular_lately(data))
    trial = {"allocation": {"arms": {"ease": 0.5, "item_neighbours": 0.5}, "salt": "allocation", "sellers": {}}}
    material = Material(settings, lake, night, fits)
    files_of(material, "popularity", fits["popularity"])
    files, _, _ = arm_files(material, trial)
    assert {"lists-ease.parquet", "lists-item_neighbours.parquet"} < set(files)
    assert (read, counted) == ([Dataset], [1])
