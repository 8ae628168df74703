"""docker-compose.yml against the embedded settings, the lock and Airflow's own command line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recsys.stack import servers

ROOT = Path(__file__).parents[1]
AIRFLOW = ("airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-worker")
SECRETS = ("PASSWORD", "SECRET", "FERNET")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_services(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*AIRFLOW, "postgres", "redis", "airflow-init", "mlflow"}


def test_everything_that_stays_up_is_watched(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) == (name != "airflow-init"), name
        assert service["restart"] == ("no" if name == "airflow-init" else "unless-stopped"), name


def test_airflow_waits_for_its_databases_and_its_set_up(compose: dict[str, Any]) -> None:
    for name in AIRFLOW:
        waits = {k: v["condition"] for k, v in compose["services"][name]["depends_on"].items()}
        assert waits["airflow-init"] == "service_completed_successfully"
        assert waits["postgres"] == waits["redis"] == "service_healthy"


def test_the_environment_is_that_of_the_local_stack(compose: dict[str, Any]) -> None:
    for name in AIRFLOW:
        given = compose["services"][name]["environment"]
        assert {key: given.get(key) for key in servers.AIRFLOW} == servers.AIRFLOW, name


def test_the_library_is_told_the_same_things(compose: dict[str, Any], tmp_path: Path) -> None:
    """What the local stack passes to tasks is passed to containers too."""
    from recsys.config import Settings

    place = servers.Place(tmp_path / "recsys.toml", tmp_path, 8080, 5000)
    local = {k for k in servers.environment(place, Settings()) if k.startswith("RECSYS_")}
    assert local <= set(compose["services"]["airflow-worker"]["environment"])


def test_the_pool_of_the_dag_is_made(compose: dict[str, Any]) -> None:
    script = compose["services"]["airflow-init"]["command"][0]
    assert f"airflow pools set {servers.POOL} " in script
    assert "airflow db migrate" in script


def test_drivers_are_named(compose: dict[str, Any]) -> None:
    """SQLAlchemy 2.1 reads a plain postgresql:// as psycopg 3, which nobody installs."""
    urls = re.findall(
        r"[a-z+0-9]*postgresql[^:]*://", (ROOT / "docker-compose.yml").read_text().replace("plain postgresql://", "")
    )
    assert urls
    assert all("+psycopg2" in url for url in urls)


def test_ports_are_on_loopback_and_databases_have_none(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert {name for name, given in ports.items() if given} == {"airflow-apiserver", "mlflow"}
    assert all(port.startswith("127.0.0.1:") for given in ports.values() for port in given)


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    secrets = {name for name in used if any(word in name for word in SECRETS)}
    assert len(secrets) == 6
    for name in secrets:
        assert all(rest.startswith(":?") for rest in re.findall(rf"\$\{{{name}([^}}]*)\}}", text)), name
    example = dict(line.split("=", 1) for line in _lines(".env.example"))
    assert used <= set(example)
    assert all(example[name] == "" for name in secrets)


def test_our_containers_have_few_rights(compose: dict[str, Any]) -> None:
    for name in (*AIRFLOW, "airflow-init", "mlflow"):
        service = compose["services"][name]
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "lake:/opt/recsys/runtime" in service["volumes"], name


def test_the_image_is_of_the_locked_airflow_and_installs_from_the_lock() -> None:
    locked = dict(line.split("==", 1) for line in _lines("constraints.txt"))
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"apache/airflow:{locked['apache-airflow']}-python3.11" in dockerfile
    assert '-c constraints.txt ".[distributed]"' in dockerfile
    for folder in re.findall(r"COPY --chown=airflow:0 ([\w ./]+) \S+\n", dockerfile):
        assert all((ROOT / name).exists() for name in folder.split()), folder


@pytest.mark.slow
@pytest.mark.parametrize("name", AIRFLOW)
def test_every_command_exists(compose: dict[str, Any], tmp_path: Path, name: str) -> None:
    command = compose["services"][name]["command"]
    if command[1] == "celery":
        pytest.importorskip("airflow.providers.celery", reason="the distributed extra is not installed")
    env = {"AIRFLOW_HOME": str(tmp_path), "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run([sys.executable, "-m", *command, "--help"], env=env, capture_output=True, check=False)
    assert done.returncode == 0


def test_compose_accepts_it(tmp_path: Path) -> None:
    """Where a compose client is installed, it must read the file with the example's variables filled in."""
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("no docker-compose client on this machine")
    filled = tmp_path / "env"
    filled.write_text("\n".join(f"{line}x" if line.endswith("=") else line for line in _lines(".env.example")))
    command = [tool, "--env-file", str(filled), "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _lines(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line.split(" ;")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
