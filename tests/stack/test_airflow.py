"""Our few requests against a double of Airflow's REST API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from recsys.errors import ServiceError
from recsys.stack import airflow
from recsys.stack.airflow import Client

Answer = tuple[int, Any]


def client(answers: Callable[[httpx.Request], Answer], seen: list[httpx.Request] | None = None) -> Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t0ken"})
        status, body = answers(request)
        return httpx.Response(status, json=body) if not isinstance(body, str) else httpx.Response(status, text=body)

    return Client("http://airflow", "admin", "pw", httpx.MockTransport(handle))


def instance(task: str, index: int = -1, label: str | None = None, state: str | None = "success", **more: Any) -> Any:
    base = {"task_id": task, "map_index": index, "rendered_map_index": label, "state": state, "try_number": 1}
    return {**base, "duration": 1.5, "start_date": None, **more}


def test_it_logs_in_once_and_sends_the_token() -> None:
    seen: list[httpx.Request] = []
    one = client(lambda request: (200, {"state": "running"}), seen)
    assert airflow.state(one, "r1") == airflow.state(one, "r1") == "running"
    assert [r.url.path for r in seen].count("/auth/token") == 1
    assert json.loads(seen[0].content) == {"username": "admin", "password": "pw"}
    assert seen[1].headers["Authorization"] == "Bearer t0ken"


def test_a_trigger_leaves_the_date_to_the_data() -> None:
    seen: list[httpx.Request] = []
    one = client(lambda request: (200, {"dag_run_id": "manual__1"}), seen)
    assert airflow.trigger(one, {"minutes": 2}) == "manual__1"
    assert json.loads(seen[-1].content) == {"logical_date": None, "conf": {"minutes": 2}}


def test_a_pool_that_is_there_gets_its_size() -> None:
    seen: list[httpx.Request] = []
    one = client(lambda request: (409, {}) if request.method == "POST" else (200, {}), seen)
    airflow.ensure_pool(one, "training", 3)
    assert (seen[-1].method, seen[-1].url.path) == ("PATCH", "/api/v2/pools/training")
    assert json.loads(seen[-1].content)["slots"] == 3


def test_tasks_come_in_order_over_several_pages() -> None:
    rows = [instance("fit", i, f"c{i}", start_date=f"2026-01-01T00:{59 - i % 60:02}:00Z") for i in range(59)]
    rows += [instance("report", state=None)] + [instance("wait", i, state=None) for i in range(60)]

    def page(request: httpx.Request) -> Answer:
        first = int(request.url.params.get("offset", 0))
        return 200, {"task_instances": rows[first : first + 50], "total_entries": len(rows)}

    found = airflow.tasks(client(page), "r1")
    assert len(found) == 120
    assert [t.contender for t in found[:2]] == ["c58", "c57"]
    assert found[-1].state == ""


def test_a_contender_without_a_label_is_numbered() -> None:
    rows = [instance("fit", 0), instance("fit", 1, "als"), instance("fit", 2, "2"), instance("decide")]
    told = {"task_instances": rows, "total_entries": 4}
    found = {t.label: t.named for t in airflow.tasks(client(lambda request: (200, told)), "r1")}
    assert found == {"fit #1": False, "fit als": True, "fit #3": False, "decide": True}


def test_unfinished_runs() -> None:
    runs = [{"dag_run_id": s, "state": s} for s in ("queued", "running", "success", "failed")]
    assert airflow.unfinished(client(lambda request: (200, {"dag_runs": runs}))) == ["queued", "running"]


def test_a_dag_that_cannot_be_read_is_told_with_its_error() -> None:
    def answers(request: httpx.Request) -> Answer:
        if request.url.path.endswith("importErrors"):
            trace = "Traceback ...\nrecsys.errors.ConfigError: unknown key nigth"
            return 200, {"import_errors": [{"filename": "nightly_retraining.py", "stack_trace": trace}]}
        return 404, {}

    with pytest.raises(ServiceError, match="unknown key nigth"):
        airflow.wait_for_dag(client(answers), 5)


def test_a_refusal_carries_airflows_words() -> None:
    with pytest.raises(ServiceError, match="contenders: neural_magic"):
        airflow.trigger(client(lambda request: (400, {"detail": "contenders: neural_magic"})), {})


def test_nobody_there() -> None:
    def dead(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    one = Client("http://airflow", "a", "b", httpx.MockTransport(dead))
    assert one.health() == {}
    with pytest.raises(ServiceError, match="recsys up"):
        airflow.state(one, "r1")


def test_health_and_results() -> None:
    told = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}}
    assert client(lambda request: (200, told)).health() == {"scheduler": "healthy", "triggerer": "None"}
    assert airflow.result(client(lambda request: (404, {})), "r1", "blend") is None
    assert airflow.result(client(lambda request: (200, {"value": {"a": 1}})), "r1", "decide") == {"a": 1}
