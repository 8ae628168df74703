"""The few requests we make of Airflow's REST API."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from recsys.errors import ServiceError

DAG = "nightly_retraining"
DAG_PATH = f"/api/v2/dags/{DAG}"
ENDED = ("success", "failed")
TOKEN_SECONDS = 3600.0
PAGE = 100


@dataclass(frozen=True)
class Task:
    """One task of a run, or one contender's task. seconds: None until it has ended."""

    name: str
    contender: str  # its place in the list until Airflow knows its name
    named: bool
    state: str  # "" before it is scheduled
    tries: int
    seconds: float | None

    @property
    def label(self) -> str:
        return f"{self.name} {self.contender}".rstrip()


class Client:
    """A connection to one Airflow; logs in when first asked. Raises ServiceError with Airflow's own words."""

    def __init__(self, url: str, user: str, password: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(base_url=url, timeout=20.0, transport=transport)
        self._login = {"username": user, "password": password}
        self._token_until = 0.0

    def health(self) -> dict[str, str]:
        """Status per component, {} when nothing answers."""
        with contextlib.suppress(httpx.HTTPError, ValueError, AttributeError):
            told = self._http.get("/api/v2/monitor/health", timeout=3.0).json()
            return {name: str(part.get("status")) for name, part in told.items()}
        return {}

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        accept: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """The answer's JSON; {} for a status in `accept`."""
        try:
            self._log_in()
            answer = self._http.request(method, path, json=body, params=dict(params or {}))
            if answer.status_code in accept:
                return {}
            told: dict[str, Any] = answer.raise_for_status().json()
        except httpx.HTTPStatusError as error:
            said = f"{error.response.status_code} {error.response.text[:500]}"
            raise ServiceError(f"Airflow refused {method} {path}", got=said) from error
        except (httpx.HTTPError, ValueError) as error:
            where = f"Airflow does not answer at {self._http.base_url}"
            raise ServiceError(where, got=error, cure="`recsys up` starts it.") from error
        return told

    def _log_in(self) -> None:
        if time.monotonic() < self._token_until:
            return
        token = self._http.post("/auth/token", json=self._login).raise_for_status().json()["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._token_until = time.monotonic() + TOKEN_SECONDS


def ensure_pool(client: Client, name: str, slots: int) -> None:
    """Create the pool or set its size: tasks of a missing pool wait for ever."""
    pool = {"slots": slots, "description": "Fits at once", "include_deferred": False}
    if not client.ask("POST", "/api/v2/pools", {"name": name, **pool}, accept=(409,)):
        client.ask("PATCH", f"/api/v2/pools/{name}", {"pool": name, **pool})


def wait_for_dag(client: Client, seconds: float) -> None:
    """Wait until Airflow has read the DAG; raises ServiceError with the import error when there is one."""
    deadline = time.monotonic() + seconds
    while not client.ask("GET", DAG_PATH, accept=(404,)):
        errors = client.ask("GET", "/api/v2/importErrors").get("import_errors", [])
        if errors:
            told = str(errors[0]["stack_trace"]).strip().splitlines()[-1]
            raise ServiceError(f"Airflow cannot read {errors[0]['filename']}", got=told)
        if time.monotonic() > deadline:
            raise ServiceError(f"Airflow has not read the DAG {DAG} after {seconds:.0f} s")
        time.sleep(0.5)


def unpause(client: Client) -> None:
    client.ask("PATCH", DAG_PATH, {"is_paused": False})


def trigger(client: Client, conf: Mapping[str, Any]) -> str:
    """Start a night by hand; returns the run's id."""
    return str(client.ask("POST", f"{DAG_PATH}/dagRuns", {"logical_date": None, "conf": dict(conf)})["dag_run_id"])


def unfinished(client: Client) -> list[str]:
    """Ids of the newest runs that have not ended."""
    params = {"limit": PAGE, "order_by": "-run_after"}
    found = client.ask("GET", f"{DAG_PATH}/dagRuns", params=params, accept=(404,)).get("dag_runs", [])
    return [str(run["dag_run_id"]) for run in found if run["state"] not in ENDED]


def close(client: Client, run: str) -> None:
    """Mark an unfinished run failed, so that it does not hold up the next."""
    client.ask("PATCH", f"{DAG_PATH}/dagRuns/{run}", {"state": "failed"})


def state(client: Client, run: str) -> str:
    """queued, running, success or failed."""
    return str(client.ask("GET", f"{DAG_PATH}/dagRuns/{run}")["state"])


def tasks(client: Client, run: str) -> list[Task]:
    """Every task of a run in the order they started; those not started last."""
    found: list[dict[str, Any]] = []
    while True:
        params = {"limit": PAGE, "offset": len(found)}
        told = client.ask("GET", f"{DAG_PATH}/dagRuns/{run}/taskInstances", params=params)
        found += told["task_instances"]
        if len(found) >= int(told["total_entries"]) or not told["task_instances"]:
            break
    found.sort(key=lambda t: (t["start_date"] is None, t["start_date"] or "", t["task_id"], t["map_index"]))
    return [_task(t) for t in found]


def result(client: Client, run: str, task: str) -> Any:
    """What a task returned, None when it returned nothing."""
    path = f"{DAG_PATH}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
    return client.ask("GET", path, accept=(404,)).get("value")


def _task(told: Mapping[str, Any]) -> Task:
    index, label = int(told["map_index"]), str(told.get("rendered_map_index") or "")
    named = index < 0 or label not in ("", str(index))  # until it is rendered Airflow tells the bare index
    return Task(
        name=str(told["task_id"]),
        contender=label if named else f"#{index + 1}",
        named=named,
        state=str(told["state"] or ""),
        tries=int(told["try_number"] or 0),
        seconds=told.get("duration"),
    )
