"""Ports, the lock, a server that dies, and finding a stack again; no real Airflow here."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from recsys.config import Settings
from recsys.errors import ServiceError
from recsys.stack import control, preflight, processes, servers
from recsys.stack.processes import Server
from recsys.stack.servers import Place


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    one = Settings.model_validate({"runtime": "run", "folder": str(tmp_path)})
    yield one
    processes.stop(one.runtime_folder / "servers", patience=2)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Servers that only sleep; `code` of one of them can be changed."""
    code = dict.fromkeys((*servers.COMPONENTS, "mlflow"), "import time; time.sleep(60)")

    def fake(place: Place, name: str) -> Server:
        command = (sys.executable, "-c", code[name])
        return Server(name, command, dict(os.environ), place.runtime, place.runtime / "logs" / f"{name}.log")

    def several(place: Place, env: Mapping[str, str]) -> list[Server]:
        return [fake(place, name) for name in servers.COMPONENTS]

    monkeypatch.setattr(servers, "airflow_servers", several)
    monkeypatch.setattr(servers, "mlflow_server", lambda place, env: fake(place, "mlflow"))
    monkeypatch.setattr(control, "_migrate", lambda place, env: None)
    monkeypatch.setattr(control, "healthy", lambda client: True)
    monkeypatch.setattr(control, "answers", lambda place: True)
    for name in ("ensure_pool", "wait_for_dag", "unpause"):
        monkeypatch.setattr(control.airflow, name, lambda *inputs: None)
    return code


def pids(settings: Settings) -> set[int]:
    return {record.pid for record in processes.recorded(settings.runtime_folder / "servers")}


@pytest.mark.usefixtures("fakes")
def test_up_twice_starts_once_and_down_ends_all(settings: Settings, tmp_path: Path) -> None:
    said: list[str] = []
    first = control.up(settings, tmp_path / "recsys.toml", said.append)
    before = pids(settings)
    assert len(before) == 5
    assert control.up(settings, tmp_path / "recsys.toml", said.append) == first == control.found(settings)
    assert pids(settings) == before
    assert said[-1] == "MLflow and Airflow are running already."
    assert control.down(settings.runtime_folder) == 5
    assert pids(settings) == set()


@pytest.mark.usefixtures("fakes")
def test_a_killed_server_brings_a_whole_new_stack_on_the_same_ports(settings: Settings, tmp_path: Path) -> None:
    said: list[str] = []
    first = control.up(settings, tmp_path / "recsys.toml", said.append)
    victim = processes.recorded(first.records)[0]
    os.kill(victim.pid, 9)
    os.waitpid(victim.pid, 0)
    assert control.up(settings, tmp_path / "recsys.toml", said.append) == first
    assert "Ended 4 processes of an earlier start." in said
    assert victim.pid not in pids(settings)


@pytest.mark.usefixtures("fakes")
def test_the_schedule_is_switched_by_a_restart_and_then_kept(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "recsys.toml"
    assert not control.up(settings, config, str).scheduled
    before = pids(settings)
    assert control.up(settings, config, str, scheduled=True).scheduled
    assert not pids(settings) & before
    assert control.up(settings, config, str).scheduled


def test_a_server_that_dies_is_named_with_its_last_words(
    settings: Settings, tmp_path: Path, fakes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes["scheduler"] = "raise SystemExit('no such table: dag')"
    monkeypatch.setattr(control, "healthy", lambda client: False)
    with pytest.raises(ServiceError, match="scheduler did not come up; got no such table: dag"):
        control.up(settings, tmp_path / "recsys.toml", str)


@pytest.mark.usefixtures("fakes")
def test_somebody_elses_mlflow_is_not_started(settings: Settings, tmp_path: Path) -> None:
    theirs = settings.model_copy(update={"tracking": settings.tracking.model_copy(update={"url": "http://mlflow"})})
    control.up(theirs, tmp_path / "recsys.toml", str)
    assert {record.name for record in processes.recorded(settings.runtime_folder / "servers")} == set(
        servers.COMPONENTS
    )


def test_busy_ports_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        monkeypatch.setattr(preflight, "PORTS", {"airflow": number, "mlflow": number})
        said: list[str] = []
        place = control._choose(None, tmp_path / "recsys.toml", tmp_path, False, said.append)
    assert len({number, place.airflow_port, place.mlflow_port}) == 3
    assert said[0] == f"Port {number} is taken, so airflow listens on {place.airflow_port}."


def test_one_start_or_stop_at_a_time(tmp_path: Path) -> None:
    with control._alone(tmp_path), pytest.raises(ServiceError, match="going on"):
        control.down(tmp_path)


@pytest.mark.usefixtures("fakes")
def test_two_demos_of_two_shops_at_once_get_ports_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits until the first listens; until then both would find the same ports free."""
    monkeypatch.setattr(control.tempfile, "gettempdir", lambda: str(tmp_path))
    listening, said, another_waits = [], [], threading.Event()

    def say(words: str) -> None:
        said.append(words)
        if "waiting for them" in words:
            another_waits.set()

    def listen(settings: Settings, place: Place, say: Any) -> None:
        another_waits.wait(60)
        for number in (place.airflow_port, place.mlflow_port):
            one = socket.socket()
            one.bind(("127.0.0.1", number))
            one.listen()
            listening.append(one)

    monkeypatch.setattr(control, "_start", listen)
    shops = [Settings.model_validate({"runtime": name, "folder": str(tmp_path)}) for name in ("one", "two")]
    starts = [threading.Thread(target=control.up, args=(s, tmp_path / "recsys.toml", say)) for s in shops]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    places = [control.found(shop) for shop in shops]
    assert len({number for p in places if p for number in (p.airflow_port, p.mlflow_port)}) == 4
    assert "Another shop's services are starting on this machine: waiting for them." in said
    for one in listening:
        one.close()


def test_nothing_was_ever_started(settings: Settings) -> None:
    assert control.found(settings) is None
    assert control.down(settings.runtime_folder) == 0


def test_waiting_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "START_SECONDS", 0.2)
    place: Any = Place(tmp_path / "recsys.toml", tmp_path, 1, 2)
    began = time.monotonic()
    with pytest.raises(ServiceError, match="mlflow did not come up"):
        control._wait(place, "mlflow", lambda: False)
    assert time.monotonic() - began < 3
