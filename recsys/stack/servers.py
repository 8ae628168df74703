"""What the local stack consists of: MLflow and four Airflow processes, their commands, environment and secrets."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys.config import Settings
from recsys.errors import ConfigError
from recsys.stack.processes import Server

HOST = "127.0.0.1"
USER = "admin"
POOL = "training"
COMPONENTS = ("scheduler", "api-server", "dag-processor", "triggerer")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
# Settings of Airflow that hold wherever it runs; docker-compose.yml must carry the same (a test compares them).
AIRFLOW = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "30",  # a task outlives an API server that is away for 75 s
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "9",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "180",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
}
# Settings of a stack on one machine.
EMBEDDED = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "4",  # the default forks 32 idle workers
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    "AIRFLOW__API__HOST": HOST,
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven idle processes, 1.7 GB
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True)
class Place:
    """Where a stack lives: its settings file, runtime folder, ports and whether nights are scheduled."""

    config: Path
    runtime: Path
    airflow_port: int
    mlflow_port: int
    scheduled: bool = False

    @property
    def airflow_url(self) -> str:
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        return f"http://{HOST}:{self.mlflow_port}"

    @property
    def home(self) -> Path:
        return self.runtime / "airflow"

    @property
    def records(self) -> Path:
        return self.runtime / "servers"


def dags_folder() -> Path:
    """The repository's dags/, beside the package; raises ConfigError when the package was installed without it."""
    folder = Path(os.environ.get("RECSYS_DAGS") or Path(__file__).parents[2] / "dags")
    if not folder.is_dir():
        raise ConfigError("No DAGs", got=f"no folder {folder}", cure="Set RECSYS_DAGS to the repository's dags folder.")
    return folder


def credentials(place: Place) -> dict[str, str]:
    """The stack's own secrets, made once and readable by their owner only."""
    file = place.runtime / "secrets.json"
    if not file.exists():
        place.runtime.mkdir(parents=True, exist_ok=True)
        values = {"password": secrets.token_urlsafe(9), "jwt": secrets.token_hex(48), "key": secrets.token_hex(32)}
        _write_private(file, json.dumps(values))
    values = dict(json.loads(file.read_text()))
    place.home.mkdir(parents=True, exist_ok=True)
    _write_private(place.home / "passwords.json", json.dumps({USER: values["password"]}))
    return values


def environment(place: Place, settings: Settings) -> dict[str, str]:
    """What every process of the stack runs with; nothing of the caller's Airflow or MLflow leaks in."""
    secret, root = credentials(place), dags_folder().parent
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "MLFLOW_", "_AIRFLOW"))}
    return {
        **kept,
        **ONE_THREAD,
        **AIRFLOW,
        **EMBEDDED,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
        "AIRFLOW_HOME": str(place.home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(place.home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{place.airflow_url}/execution/",
        "AIRFLOW__API__PORT": str(place.airflow_port),
        "AIRFLOW__API__BASE_URL": place.airflow_url,
        "AIRFLOW__API__SECRET_KEY": secret["key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secret["jwt"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{place.home / 'airflow.db'}",
        "RECSYS_CONFIG": str(place.config),
        "RECSYS_RUNTIME": str(place.runtime),
        "RECSYS_NIGHT__SCHEDULED": "true" if place.scheduled else "false",
        "RECSYS_TRACKING__URL": settings.tracking.url or place.mlflow_url,
        "RECSYS_AIRFLOW_URL": place.airflow_url,
    }


def airflow_servers(place: Place, env: Mapping[str, str]) -> list[Server]:
    """Scheduler, API server, DAG processor and triggerer, each a session of its own."""
    return [_server(place, env, name, (sys.executable, "-m", "airflow", *_arguments(name))) for name in COMPONENTS]


def _arguments(component: str) -> tuple[str, ...]:
    # Logs lie in one folder on this machine: nobody needs them served on a port of their own.
    return (component, "--skip-serve-logs") if component in ("scheduler", "triggerer") else (component,)


def mlflow_server(place: Place, env: Mapping[str, str]) -> Server:
    """MLflow over SQLite, artifacts in the folder beside it: `recsys run` writes there too, without the server."""
    folder = place.runtime / "mlflow"
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    command = (
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(place.mlflow_port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--no-serve-artifacts", "--default-artifact-root", (folder / "artifacts").as_uri()),
    )
    return _server(place, env, "mlflow", command)


def _server(place: Place, env: Mapping[str, str], name: str, command: tuple[str, ...]) -> Server:
    return Server(name, command, env, place.runtime, place.runtime / "logs" / f"{name}.log")


def _write_private(file: Path, text: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
