"""Bring the local stack up, find it again, take it down."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import httpx

from recsys.config import Settings
from recsys.errors import ServiceError
from recsys.stack import airflow, preflight, processes, servers
from recsys.stack.airflow import Client
from recsys.stack.servers import Place

Say = Callable[[str], None]
START_SECONDS = 240.0  # a crowded two-core machine needs a minute
AIRFLOW_PARTS = {"metadatabase", "scheduler", "dag_processor", "triggerer"}


def up(settings: Settings, config: Path, say: Say, *, scheduled: bool | None = None) -> Place:
    """Start what is not running; idempotent. `scheduled` None: as it runs, else as recsys.toml says.

    Raises ServiceError with the last lines of the log of a server that does not come up.
    """
    runtime = settings.runtime_folder
    with _alone(runtime):
        known = found(settings)
        if known and is_running(settings, known) and scheduled in (None, known.scheduled):
            say("MLflow and Airflow are running already.")
            return known
        left = processes.stop(runtime / "servers")
        if left:
            say(f"Ended {left} processes of an earlier start.")
        asked = settings.night.scheduled if scheduled is None else scheduled
        with _in_turn(say):
            place = _choose(known, config.resolve(), runtime, asked, say)
            _start(settings, place, say)
    return place


def down(runtime: Path) -> int:
    """End every process of the stack, those left by a crash included; returns how many there were."""
    with _alone(runtime):
        return processes.stop(runtime / "servers")


def found(settings: Settings) -> Place | None:
    """Where the stack was last started, None before the first time."""
    try:
        told = json.loads((settings.runtime_folder / "stack.json").read_text())
        return Place(**{**told, "config": Path(told["config"]), "runtime": Path(told["runtime"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_running(settings: Settings, place: Place) -> bool:
    """Are all servers alive and answering?"""
    living = {record.name for record in processes.recorded(place.records) if processes.alive(record)}
    return living >= _wanted(settings) and healthy(connect(place)) and (_external(settings) or answers(place))


def connect(place: Place) -> Client:
    """A client of the stack's Airflow."""
    return Client(place.airflow_url, servers.USER, servers.credentials(place)["password"])


def healthy(client: Client) -> bool:
    """Are all parts of Airflow at work?"""
    told = client.health()
    return {name for name, status in told.items() if status == "healthy"} >= AIRFLOW_PARTS


def answers(place: Place) -> bool:
    """Is MLflow at work?"""
    try:
        return httpx.get(f"{place.mlflow_url}/health", timeout=3.0).status_code == 200
    except httpx.HTTPError:
        return False


def _choose(known: Place | None, config: Path, runtime: Path, scheduled: bool, say: Say) -> Place:
    """The ports of last time or the usual ones, or the next free ones with a sentence."""
    wanted = {"airflow": known.airflow_port, "mlflow": known.mlflow_port} if known else preflight.PORTS
    taken: tuple[int, ...] = ()
    ports = {}
    for name, number in wanted.items():
        ports[name] = preflight.free_port(number, taken)
        taken = (*taken, ports[name])
        if ports[name] != number:
            say(f"Port {number} is taken, so {name} listens on {ports[name]}.")
    place = Place(config, runtime, ports["airflow"], ports["mlflow"], scheduled)
    runtime.mkdir(parents=True, exist_ok=True)
    (runtime / "stack.json").write_text(json.dumps(asdict(place), default=str, indent=1))
    return place


def _start(settings: Settings, place: Place, say: Say) -> None:
    say(f"Starting {'' if _external(settings) else 'MLflow and '}Airflow under {place.runtime} ...")
    env = servers.environment(place, settings)
    if not _external(settings):
        processes.start(servers.mlflow_server(place, env), place.records)
    _migrate(place, env)
    for server in servers.airflow_servers(place, env):
        processes.start(server, place.records)
    client = connect(place)
    _wait(place, "api-server", lambda: healthy(client))
    airflow.ensure_pool(client, servers.POOL, settings.night.parallel)
    airflow.wait_for_dag(client, START_SECONDS)
    airflow.unpause(client)
    if not _external(settings):
        _wait(place, "mlflow", lambda: answers(place))


def _migrate(place: Place, env: Mapping[str, str]) -> None:
    """Make or upgrade Airflow's database; once per version."""
    done = place.home / f"migrated-{version('apache-airflow')}"
    if done.exists() and (place.home / "airflow.db").exists():
        return
    log = place.runtime / "logs" / "migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        ended = subprocess.run(command, env=dict(env), cwd=place.runtime, stdout=stream, stderr=stream, check=False)
    if ended.returncode:
        raise ServiceError(
            "Airflow's database cannot be made", got=" ".join(processes.tail(log, 3)), cure=f"See {log}."
        )
    done.touch()


def _wait(place: Place, name: str, ready: Callable[[], bool]) -> None:
    """Wait until `ready`; a server that dies meanwhile is named with the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        dead = [record.name for record in processes.recorded(place.records) if not processes.alive(record)]
        if dead or time.monotonic() > deadline:
            guilty = dead[0] if dead else name
            log = place.runtime / "logs" / f"{guilty}.log"
            said = " | ".join(processes.tail(log))
            raise ServiceError(f"{guilty} did not come up", got=said or "nothing", cure=f"See {log}; then `recsys up`.")
        time.sleep(0.3)


def _wanted(settings: Settings) -> set[str]:
    return set(servers.COMPONENTS) | (set() if _external(settings) else {"mlflow"})


def _external(settings: Settings) -> bool:
    """Is MLflow somebody else's server?"""
    return bool(settings.tracking.url)


@contextlib.contextmanager
def _in_turn(say: Say) -> Iterator[None]:
    """Stacks of several shops start one after another: two that look for free ports at once would find the same."""
    file = Path(tempfile.gettempdir()) / f"recsys-start-{os.getuid()}.lock"
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another shop's services are starting on this machine: waiting for them.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _alone(runtime: Path) -> Iterator[None]:
    """One start or stop at a time."""
    runtime.mkdir(parents=True, exist_ok=True)
    with (runtime / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            cure = "Wait for it to end, then run the command again: it will find the services running."
            raise ServiceError("Another start or stop of this stack is going on", cure=cure) from None
        yield
