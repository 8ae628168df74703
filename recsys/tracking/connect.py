"""Reach MLflow, or find out within seconds that it is away."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from recsys.config import Settings
from recsys.errors import RecsysError, ServiceError
from recsys.tracking.view import VIEW, VIEW_TAG, experiment_tags, stored_view

T = TypeVar("T")
PROBE_SECONDS = 2.0
# MLflow's own defaults wait 246 s for a dead server. These end within ten seconds: one probe, two tries of four.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
}
QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # its tables and signatures are not the night's news
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Book:
    """An open experiment: the client to write with, where it is and what it is called."""

    client: Any
    uri: str
    experiment: str
    page: str


def open_book(settings: Settings) -> Book:
    """The experiment to write to; raises ServiceError when MLflow does not answer in time."""
    uri = address(settings)
    for name, value in (PATIENCE | QUIET).items():
        os.environ.setdefault(name, value)
    _probe(uri)
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = _experiment(client, settings)
    shown = settings.tracking.public_url or (uri if uri.startswith("http") else "")
    return Book(
        client,
        uri,
        experiment,
        f"{shown.rstrip('/')}/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}" if shown else "",
    )


def address(settings: Settings) -> str:
    """The server of the settings, else the local store that `recsys up` serves."""
    return settings.tracking.url or f"sqlite:///{settings.runtime_folder / 'mlflow' / 'mlflow.db'}"


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns; ServiceError when it takes longer (it is then left behind)."""
    ended: dict[str, Any] = {}

    def run() -> None:
        try:
            ended["value"] = work()
        except BaseException as error:
            ended["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ServiceError("MLflow is too slow", got=f"no end after {seconds:.0f} s")
    if "error" in ended:
        raise ended["error"]
    value: T = ended["value"]
    return value


def not_reached(settings: Settings, error: Exception, still: str) -> str:
    """What went wrong in words, logged too; `still` says what holds all the same."""
    why = str(error) if isinstance(error, RecsysError) else f"{type(error).__name__}: {error}"
    note = f"MLflow ({address(settings)}) was not reached; {still}. {why[:300]}"
    log.warning(note)
    return note


def _probe(uri: str) -> None:
    if not uri.startswith("http"):
        return
    import httpx

    try:
        answer = httpx.get(f"{uri.rstrip('/')}/health", timeout=PROBE_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError(f"MLflow does not answer at {uri}", got=str(error) or type(error).__name__) from error
    if answer.status_code != 200 or answer.text.strip() != "OK":
        raise ServiceError(f"MLflow does not answer at {uri}", **_not_mlflow(answer.status_code))


def _not_mlflow(status: int) -> dict[str, str]:
    """What stands at the address instead, and what to do about it."""
    if status == 404:
        cure = (
            "Behind a proxy path [tracking] url names it too, like https://host/mlflow; the server needs the same path."
        )
        return {"got": "404 for /health: another path or another service", "cure": cure}
    if status in (301, 302, 303, 307, 308, 401, 403):
        cure = "Give [tracking] url an address that needs none, or MLFLOW_TRACKING_USERNAME and _PASSWORD."
        return {"got": f"{status}: a login or a redirect stands before it", "cure": cure}
    return {"got": f"{status} and no MLflow behind it", "cure": "Check [tracking] url in recsys.toml."}


def _experiment(client: Any, settings: Settings) -> str:
    """Id of the experiment, made or brought back when needed."""
    from mlflow.exceptions import MlflowException

    name = settings.tracking.experiment
    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            where, tags = _artifacts(settings, name), experiment_tags(settings)
            return str(client.create_experiment(name, artifact_location=where, tags=tags))
        except MlflowException:  # somebody else made it first
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    if dict(known.tags or {}).get(VIEW_TAG) != stored_view(settings):
        client.set_experiment_tag(known.experiment_id, VIEW_TAG, stored_view(settings))
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _artifacts(settings: Settings, name: str) -> str | None:
    """A server decides where artifacts go; the local store has them beside its database."""
    if settings.tracking.url:
        return None
    folder = settings.runtime_folder / "mlflow" / "artifacts" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder.as_uri()
