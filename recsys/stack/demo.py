"""The demo: bring the stack up, run one night through Airflow, show what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.errors import ServiceError, StoreError
from recsys.stack import airflow, control, servers
from recsys.stack.airflow import Client
from recsys.stack.progress import follow
from recsys.stack.servers import Place
from recsys.tracking.view import VIEW


@dataclass(frozen=True)
class Outcome:
    """What a night left: its decision with the leaderboard, and the generation being served."""

    as_of: str
    decision: Mapping[str, Any]
    generation: str | None
    why: str


def last(settings: Settings) -> Outcome | None:
    """The newest published night in the lake, None before the first."""
    lake = Lake(settings.lake_root)
    try:
        entry = publication.current(lake)
        closed = lake.read_json(str(entry.manifest["night"]))
        decision = lake.read_json(str(closed["decision"]))
    except StoreError:
        return None
    return Outcome(str(entry.manifest["as_of"]), decision, entry.name, "")


def run_night(settings: Settings, place: Place, console: Console, conf: Mapping[str, Any] | None = None) -> Outcome:
    """Trigger a night, or watch the one that is going on, and wait for its end; raises ServiceError when it failed."""
    client = control.connect(place)
    going = airflow.unfinished(client)
    if going:
        console.print(f"A night is going on already ({going[-1]}): watching it.")
    else:
        airflow.unpause(client)
    run = going[-1] if going else airflow.trigger(client, conf or {})
    if follow(client, run, console) != "success":
        raise ServiceError(
            f"The night {run} failed", got=_failure(client, place, run), cure="Mend it and run it again."
        )
    published = dict(airflow.result(client, run, "publish") or {})
    decision = dict(airflow.result(client, run, "settle") or {})
    name = published.get("generation")
    return Outcome(str(published.get("as_of", "")), decision, name, str(published.get("why", "")))


def close_interrupted(place: Place, console: Console) -> None:
    """Runs that a crash left unfinished: what they finished is kept and read again by the next."""
    client = control.connect(place)
    for run in airflow.unfinished(client):
        airflow.close(client, run)
        console.print(f"The night {run} was interrupted: it is marked failed; what it finished will not be done again.")


def experiment_page(settings: Settings, place: Place) -> str:
    """MLflow's table of training runs; its front page when the experiment is not there yet."""
    base = (settings.tracking.url or place.mlflow_url).rstrip("/")
    shown = (settings.tracking.public_url or base).rstrip("/")
    asked = f"{base}/api/2.0/mlflow/experiments/get-by-name"
    try:
        told = httpx.get(asked, params={"experiment_name": settings.tracking.experiment}, timeout=5.0).json()
        return f"{shown}/#/experiments/{told['experiment']['experiment_id']}/runs?viewStateShareKey={VIEW}"
    except (httpx.HTTPError, ValueError, KeyError):
        return shown


def _failure(client: Client, place: Place, run: str) -> str:
    """The first task that failed and the last thing its log says."""
    failed = [task for task in airflow.tasks(client, run) if task.state == "failed"]
    if not failed:
        return "no task that says why"
    first = failed[0]
    logs = place.home / "logs" / f"dag_id={airflow.DAG}" / f"run_id={run}" / f"task_id={first.name}"
    files = sorted(logs.rglob("attempt=*.log"), key=lambda file: file.stat().st_mtime)
    return f"{first.label}: {_last_words(files[-1])} (see {files[-1]})" if files else first.label


def _last_words(log: Path) -> str:
    """The newest exception in an Airflow task log (JSON lines), else its newest error line."""
    said = ""
    for line in log.read_text(errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        for detail in told.get("error_detail") or ():
            said = f"{detail.get('exc_type')}: {detail.get('exc_value')}"
        if not said and told.get("level") in ("error", "critical"):
            said = str(told.get("event", ""))
    return said or "nothing"


def login(place: Place) -> str:
    return f"{servers.USER} / {servers.credentials(place)['password']}"
