"""The last night read back from the lake, and a failed night in words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.errors import ServiceError
from recsys.stack import demo
from recsys.stack.airflow import Task
from recsys.stack.servers import Place

DECISION = {"champion": "ease", "action": "first", "reasons": ["ease beat the bar."], "leaderboard": []}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"runtime": "run", "folder": str(tmp_path)})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "recsys.toml", tmp_path / "run", 1, 2)


def publish(settings: Settings) -> None:
    lake = Lake(str(settings.lake_folder))
    lake.put_json("nights/2011-12-08/k/decision.json", DECISION)
    lake.put_json("nights/2011-12-08/k/closed.json", {"decision": "nights/2011-12-08/k/decision.json"})
    manifest = {"key": "k", "as_of": "2011-12-08", "day": 15316, "champion": "ease"}
    publication.publish(lake, 0, {}, {**manifest, "night": "nights/2011-12-08/k/closed.json"}, {})


def test_before_the_first_night(settings: Settings) -> None:
    assert demo.last(settings) is None


def test_the_last_night_is_read_from_the_lake(settings: Settings) -> None:
    publish(settings)
    found = demo.last(settings)
    assert found is not None
    assert (found.as_of, found.generation, found.decision) == ("2011-12-08", "gen-000001", DECISION)


class Night:
    """A double of Airflow that runs one night."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ends: str = "success", going: tuple[str, ...] = ()) -> None:
        self.triggered = 0
        results = {"publish": {"generation": "gen-000001", "as_of": "2011-12-08", "why": "first"}, "settle": DECISION}
        monkeypatch.setattr(demo.control, "connect", lambda place: self)
        monkeypatch.setattr(demo, "follow", lambda client, run, console: ends)
        monkeypatch.setattr(demo.airflow, "unfinished", lambda client: list(going))
        monkeypatch.setattr(demo.airflow, "unpause", lambda client: None)
        monkeypatch.setattr(demo.airflow, "trigger", self.trigger)
        monkeypatch.setattr(demo.airflow, "result", lambda client, run, task: results[task])
        monkeypatch.setattr(demo.airflow, "close", lambda client, run: None)
        failed = [Task("ingest", "", True, "failed", 1, 2.0), Task("prepare", "", True, "upstream_failed", 0, None)]
        monkeypatch.setattr(demo.airflow, "tasks", lambda client, run: failed)

    def trigger(self, client: object, conf: object) -> str:
        self.triggered += 1
        return "manual__1"


def test_a_night_is_triggered_and_its_outcome_read(
    settings: Settings, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(monkeypatch)
    outcome = demo.run_night(settings, place, Console(file=io.StringIO()))
    assert (night.triggered, outcome.generation, outcome.decision) == (1, "gen-000001", DECISION)


def test_a_night_that_is_going_on_is_watched(settings: Settings, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    night, out = Night(monkeypatch, going=("scheduled__1",)), Console(file=io.StringIO())
    demo.run_night(settings, place, out)
    assert night.triggered == 0
    assert "scheduled__1" in out.file.getvalue()  # type: ignore[attr-defined]


def test_a_failed_night_names_the_task_and_its_error(
    settings: Settings, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    Night(monkeypatch, ends="failed")
    log = place.home / "logs/dag_id=nightly_retraining/run_id=manual__1/task_id=ingest/attempt=1.log"
    log.parent.mkdir(parents=True)
    lines = [
        {"event": "starting", "level": "info"},
        {
            "event": "Task failed",
            "level": "error",
            "error_detail": [{"exc_type": "DataError", "exc_value": "no header"}],
        },
        {"event": "ended", "level": "error"},
    ]
    log.write_text("\n".join(json.dumps(line) for line in lines) + "\nnot json")
    with pytest.raises(ServiceError, match="ingest: DataError: no header"):
        demo.run_night(settings, place, Console(file=io.StringIO()))


def test_an_interrupted_night_is_closed_and_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Night(monkeypatch, going=("manual__0",))
    out = Console(file=io.StringIO())
    demo.close_interrupted(place, out)
    assert "manual__0 was interrupted" in out.file.getvalue()  # type: ignore[attr-defined]


def test_without_mlflow_its_front_page_is_named(settings: Settings, place: Place) -> None:
    assert demo.experiment_page(settings, place) == "http://127.0.0.1:2"
