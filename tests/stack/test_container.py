"""What a container starts with: one sentence for a wrong secret, a silent database, a missing library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler

import pytest

from recsys.errors import ConfigError, ServiceError
from recsys.stack import container, secrets

GOOD = {name: secrets.make(name) for name in secrets.ALL}


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "check_libraries", lambda names: None)
    monkeypatch.setattr(container, "check_postgres", lambda values, environ, database: None)
    monkeypatch.setattr(container, "check_redis", lambda values, environ: None)


@pytest.mark.usefixtures("databases")
def test_a_server_gets_its_settings_and_no_bare_secret() -> None:
    env = container.prepared(("airflow", "celery", "worker"), {**GOOD, "OTHER": "1"})
    assert env["OTHER"] == "1"
    assert not set(env) & set(secrets.ALL)
    assert GOOD["POSTGRES_PASSWORD"] in env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert "AIRFLOW__API_AUTH__JWT_SECRET" not in container.prepared(("mlflow", "server"), GOOD)


@pytest.mark.usefixtures("databases")
def test_a_wrong_secret_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "AIRFLOW_JWT_SECRET": "airflow"}.items():
        monkeypatch.setenv(name, value)
    assert container.main(["airflow", "scheduler"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "AIRFLOW_JWT_SECRET cannot be used; got a word that everybody knows." in said


def test_a_worker_without_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = container.find_spec
    monkeypatch.setattr(container, "find_spec", lambda name: None if name == "lightfm" else there(name))
    with pytest.raises(ConfigError, match=r"This Python lacks .*lightfm.*\. Build the image again"):
        container.check_libraries(container.WORKER)


def test_a_module_below_a_missing_package_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"lacks no_such_package\.inner"):
        container.check_libraries(("json", "no_such_package.inner"))


def test_a_silent_database_is_named_after_a_while(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg2", reason="the distributed extra is not installed")
    monkeypatch.setattr(container, "WAIT_SECONDS", 0.0)
    silent = f"127.0.0.1:{closed_port}"
    with pytest.raises(ServiceError, match=f"PostgreSQL does not answer at {silent}"):
        container.check_postgres(GOOD, {"POSTGRES_HOST": silent}, "airflow")
    with pytest.raises(ServiceError, match=f"Redis does not answer at {silent}"):
        container.check_redis(GOOD, {"REDIS_HOST": silent})


def test_a_refused_password_is_not_waited_for() -> None:
    def refuse() -> None:
        raise OSError('connection failed\nFATAL:  password authentication failed for user "recsys"')

    with pytest.raises(ConfigError, match=r"PostgreSQL at db refuses the password.*set up with another one"):
        container._until_it_answers("PostgreSQL", "db", refuse, "password authentication failed")


@pytest.mark.usefixtures("databases")
def test_init_makes_databases_the_user_and_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(container, "_make_database", lambda values, environ, name: made.append(name))
    monkeypatch.setattr(container, "_call", lambda env, *command: calls.append(command))
    assert container.init({**GOOD, "TRAINING_SLOTS": "3"}) == 0
    assert made == ["mlflow"]
    assert calls[0] == ("airflow", "db", "migrate")
    password = ("--password", GOOD["AIRFLOW_ADMIN_PASSWORD"])
    assert [(call[1:3], call[-2:]) for call in calls[1:3]] == [
        (("users", "create"), password),
        (("users", "reset-password"), password),
    ]
    assert calls[3][:5] == ("airflow", "pools", "set", "training", "3")
    assert len(calls) == 4


def test_health_is_an_exit_status(closed_port: int, serve: Callable[..., str]) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200 if handler.path == "/health" else 503)
        handler.end_headers()

    base = serve(answer)
    assert container.main(["health", f"{base}/health"]) == 0
    assert container.main(["health", f"{base}/elsewhere"]) == 1
    assert container.main(["health", f"http://127.0.0.1:{closed_port}/health"]) == 1


def test_a_command_is_become() -> None:
    """The process is replaced: a signal reaches the server itself."""
    code = "import os; print(os.getpid())"
    done = subprocess.Popen(
        [sys.executable, "-m", "recsys.stack.container", sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(_without_secrets(os.environ)),
    )
    told, _ = done.communicate(timeout=60)
    assert int(told) == done.pid


def test_nothing_to_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert container.main([]) == 1
    assert "Usage" in capsys.readouterr().err


def _without_secrets(environ: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environ.items() if name not in secrets.ALL}
