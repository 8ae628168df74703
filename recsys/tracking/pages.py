"""Addresses in MLflow's UI, and a run opened while its contender still trains: short requests, no client imported.

MLflow's client takes seconds to import and minutes to give up; a training task and a web page have neither.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from recsys.config import Settings
from recsys.tracking.runs import tags_of
from recsys.tracking.view import VIEW, experiment_tags

Json = Mapping[str, Any]
SECONDS = 2.0  # a request may take


def table_page(settings: Settings) -> str:
    """The run table in its stored view; "" when MLflow has no address, its front page when it does not answer."""
    return _page(settings, f"runs?viewStateShareKey={VIEW}")


def night_page(settings: Settings, key: str) -> str:
    """The run table narrowed to one night, best first; the whole table without a key."""
    best_first = f"&orderByKey={quote(f'metrics.`{settings.contest.primary}`')}&orderByAsc=false"
    return (
        _page(settings, f"runs?searchFilter={_filter('night_key', key)}{best_first}") if key else table_page(settings)
    )


def contender_page(settings: Settings, contender: str) -> str:
    """The run table narrowed to one contender: its nights, one under the other."""
    return _page(settings, f"runs?searchFilter={_filter('contender', contender)}")


def version_page(settings: Settings, model: str, version: str) -> str:
    """The page of a registered version: its card, tags and aliases."""
    shown = _shown(settings)
    return f"{shown}/#/models/{quote(model, safe='')}/versions/{quote(version, safe='')}" if shown else ""


def training_page(settings: Settings, night: Json, contender: str) -> str:
    """The page of a contender's run of this night, opened when it is not there yet; else its table, else ""."""
    if not settings.tracking.url:
        return ""
    try:
        experiment = _experiment(settings)
        run = _known(settings, experiment, night, contender) or _open(settings, experiment, night, contender)
    except (httpx.HTTPError, ValueError, KeyError):
        return contender_page(settings, contender)
    return f"{_shown(settings)}/#/experiments/{experiment}/runs/{run}"


def _page(settings: Settings, rest: str) -> str:
    shown = _shown(settings)
    if not shown:
        return ""
    try:
        return f"{shown}/#/experiments/{_experiment(settings)}/{rest}"
    except (httpx.HTTPError, ValueError, KeyError):
        return shown


def _shown(settings: Settings) -> str:
    """Where a person's browser finds MLflow."""
    return (settings.tracking.public_url or settings.tracking.url).rstrip("/")


def _filter(tag: str, value: str) -> str:
    safe = value.replace("\\", "").replace("'", "")
    return quote(f"tags.{tag} = '{safe}'")


def _experiment(settings: Settings) -> str:
    """Id of the experiment; made when it is missing, so that the first night's buttons work too."""
    name = settings.tracking.experiment
    answer = _ask(settings, "GET", "experiments/get-by-name", params={"experiment_name": name})
    if answer.status_code == 404:
        body = {"name": name, "tags": [{"key": k, "value": v} for k, v in experiment_tags(settings).items()]}
        made = _ask(settings, "POST", "experiments/create", body=body).raise_for_status()
        return str(made.json()["experiment_id"])
    return str(answer.raise_for_status().json()["experiment"]["experiment_id"])


def _known(settings: Settings, experiment: str, night: Json, contender: str) -> str | None:
    wanted = f"tags.night_key = '{night['key']}' and tags.contender = '{contender}'"
    body = {"experiment_ids": [experiment], "filter": wanted, "max_results": 1}
    found = _ask(settings, "POST", "runs/search", body=body).raise_for_status().json().get("runs", [])
    return str(found[0]["info"]["run_id"]) if found else None


def _open(settings: Settings, experiment: str, night: Json, contender: str) -> str:
    tags = tags_of(night, "contender", contender) | {"status": "training"}
    body = {
        "experiment_id": experiment,
        "run_name": contender,
        "start_time": int(time.time() * 1000),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    return str(_ask(settings, "POST", "runs/create", body=body).raise_for_status().json()["run"]["info"]["run_id"])


def _ask(settings: Settings, method: str, path: str, *, params: Json | None = None, body: Json | None = None) -> Any:
    url = f"{settings.tracking.url.rstrip('/')}/api/2.0/mlflow/{path}"
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    auth = (user, password or "") if user else None
    return httpx.request(method, url, params=params, json=body, timeout=SECONDS, auth=auth)
