"""The real MLflow and Airflow: a night, a second look, a power cut, a clean end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recsys.config import Settings, load
from recsys.stack import airflow, control, demo, processes
from tests.shops import TWO_CONTENDERS, small_market
from tests.stack.native import mlflow_runs, recsys, said, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("shop")
    small_market(place, "[night]\nretry_seconds = 2\n" + TWO_CONTENDERS)
    yield place
    control.down(settings(place).runtime_folder)


def settings(folder: Path) -> Settings:
    return load(folder / "recsys.toml")


def test_a_night_a_second_look_a_power_cut_and_a_clean_end(folder: Path) -> None:
    one = settings(folder)
    first = said("demo", folder=folder)
    place = control.found(one)
    assert place is not None
    assert "is the first champion" in first
    assert "schedule is off" in first
    assert demo.login(place) in first
    page = f"{place.mlflow_url}/#/experiments/"
    assert page in first
    assert "backtest item_neighbours: success" in first

    runs = mlflow_runs(place.mlflow_url)
    names = ("popularity_28d", "item_neighbours", f"night {demo.last(one).as_of}")  # type: ignore[union-attr]
    assert runs == dict.fromkeys(names, "FINISHED")
    assert processes.memory_mb(place.runtime, place.records) < 4096
    assert all(connection.laddr.ip == "127.0.0.1" for connection in _listening(place.runtime, place.records))

    began = time.monotonic()
    second = said("demo", folder=folder)
    assert time.monotonic() - began < 90
    assert "gen-000001" in second
    assert "--again" in second

    watcher = recsys("demo", "--again", folder=folder)
    client = control.connect(place)
    wait_for(lambda: airflow.unfinished(client), 240)
    interrupted = airflow.unfinished(client)[0]
    wait_for(lambda: any(task.state == "running" for task in airflow.tasks(client, interrupted)), 240)
    watcher.kill()
    watcher.communicate()
    for process in processes.belonging(place.runtime, processes.recorded(place.records)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()

    third = said("demo", "--again", folder=folder)
    assert f"The night {interrupted} was interrupted" in third
    assert "This night was published before; nothing changed." in third.replace("\n", " ")
    assert [e.name for e in (one.lake_folder / "generations").iterdir()] == ["gen-000001"]
    assert mlflow_runs(place.mlflow_url) == runs

    said("down", folder=folder)
    assert not processes.belonging(place.runtime, processes.recorded(place.records))
    assert "Nothing was running" in said("down", folder=folder)


def _listening(runtime: Path, records: Path) -> list[object]:
    ours = processes.belonging(runtime, processes.recorded(records))
    return [c for p in ours for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
