"""The real MLflow and Airflow: a night, a second look, a power cut, a clean end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from recsys.config import Settings, load
from recsys.stack import airflow, control, demo, processes

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1500)]
CONFIG = """
runtime = "run"
[shop]
name = "small"
[shop.non_products]
codes = ["SETUP", "SHIP"]
[orders]
path = "data/orders.csv.gz"
cancelled_prefix = "R"
[night]
retry_seconds = 2
[contest]
bar = ["popularity_28d"]
[contenders.popularity_28d]
family = "popularity"
window_days = 28
[contenders.item_neighbours]
family = "item_neighbours"
"""


def recsys(*command: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from recsys.cli import main; main()", *command],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("RECSYS_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(*command: str, folder: Path) -> str:
    process = recsys(*command, folder=folder)
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0, text
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("shop")
    (place / "recsys.toml").write_text(CONFIG)
    said("simulate", "data", "--preset", "small", folder=place)
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

    runs = _mlflow_runs(place.mlflow_url)
    assert runs == {"popularity_28d", "item_neighbours", f"night {demo.last(one).as_of}"}  # type: ignore[union-attr]
    assert processes.memory_mb(place.runtime, place.records) < 4096
    assert all(connection.laddr.ip == "127.0.0.1" for connection in _listening(place.runtime, place.records))

    began = time.monotonic()
    second = said("demo", folder=folder)
    assert time.monotonic() - began < 90
    assert "gen-000001" in second
    assert "--again" in second

    watcher = recsys("demo", "--again", folder=folder)
    client = control.connect(place)
    _wait(lambda: bool(airflow.unfinished(client)))
    interrupted = airflow.unfinished(client)[0]
    _wait(lambda: any(task.state == "running" for task in airflow.tasks(client, interrupted)))
    watcher.kill()
    watcher.communicate()
    for process in processes.belonging(place.runtime, processes.recorded(place.records)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()

    third = said("demo", "--again", folder=folder)
    assert f"The night {interrupted} was interrupted" in third
    assert "This night was published before; nothing changed." in third.replace("\n", " ")
    assert [e.name for e in (one.lake_folder / "generations").iterdir()] == ["gen-000001"]
    assert _mlflow_runs(place.mlflow_url) == runs

    said("down", folder=folder)
    assert not processes.belonging(place.runtime, processes.recorded(place.records))
    assert "Nothing was running" in said("down", folder=folder)


def _mlflow_runs(url: str) -> set[str]:
    found = httpx.get(f"{url}/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "recsys"}).json()
    body = {"experiment_ids": [found["experiment"]["experiment_id"]]}
    told = httpx.post(f"{url}/api/2.0/mlflow/runs/search", json=body).json()["runs"]
    assert all(run["info"]["status"] == "FINISHED" for run in told)
    return {run["info"]["run_name"] for run in told}


def _listening(runtime: Path, records: Path) -> list[object]:
    ours = processes.belonging(runtime, processes.recorded(records))
    return [c for p in ours for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]


def _wait(condition: object, seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.2)
