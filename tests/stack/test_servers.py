"""The local stack's environment, secrets and commands."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from recsys.config import Settings
from recsys.errors import ConfigError
from recsys.stack import servers
from recsys.stack.servers import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "recsys.toml", tmp_path / "runtime", 18080, 15000)


def test_nothing_of_the_callers_airflow_leaks_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/home/me/airflow")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://production")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    env = servers.environment(place, Settings())
    assert "production" not in json.dumps(env)
    assert env["HTTPS_PROXY"] == "http://proxy"
    assert env["AIRFLOW_HOME"] == str(place.home)


def test_addresses_agree(place: Place) -> None:
    env = servers.environment(place, Settings())
    assert env["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:18080"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert (env["AIRFLOW__API__HOST"], env["AIRFLOW__API__PORT"]) == ("127.0.0.1", "18080")
    assert env["RECSYS_TRACKING__URL"] == "http://127.0.0.1:15000"


def test_somebody_elses_mlflow(place: Place) -> None:
    settings = Settings.model_validate({"tracking": {"url": "http://mlflow.example"}})
    assert servers.environment(place, settings)["RECSYS_TRACKING__URL"] == "http://mlflow.example"


def test_secrets_are_made_once_and_private(place: Place) -> None:
    first, again = servers.credentials(place), servers.credentials(place)
    assert first == again
    assert len(first["jwt"]) >= 64
    for file in (place.runtime / "secrets.json", place.home / "passwords.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads((place.home / "passwords.json").read_text()) == {"admin": first["password"]}


def test_everything_listens_on_loopback_only(place: Place) -> None:
    env = servers.environment(place, Settings())
    mlflow = servers.mlflow_server(place, env).command
    assert mlflow[mlflow.index("--host") + 1] == "127.0.0.1"
    commands = {s.name: s.command for s in servers.airflow_servers(place, env)}
    assert set(commands) == {"scheduler", "api-server", "dag-processor", "triggerer"}
    assert all("--skip-serve-logs" in commands[name] for name in ("scheduler", "triggerer"))


def test_no_password_on_a_command_line(place: Place) -> None:
    env = servers.environment(place, Settings())
    told = json.dumps([s.command for s in [servers.mlflow_server(place, env), *servers.airflow_servers(place, env)]])
    assert not any(secret in told for secret in servers.credentials(place).values())


def test_a_package_without_its_dags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECSYS_DAGS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="RECSYS_DAGS"):
        servers.dags_folder()


def test_one_thread_per_task(place: Place) -> None:
    env = servers.environment(place, Settings())
    assert env["OMP_NUM_THREADS"] == env["OPENBLAS_NUM_THREADS"] == "1"
    assert env["PATH"].split(os.pathsep)[0].endswith("bin")
