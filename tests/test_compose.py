"""docker-compose.yml against the embedded settings, the lock, the secrets and Airflow's own command line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recsys.stack import container, secrets, servers

ROOT = Path(__file__).parents[1]
AIRFLOW = ("airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-worker")
OURS = (*AIRFLOW, "airflow-init", "mlflow")
OVERLAYS = ("compose.secrets.yml", "compose.s3.yml")
ENTRY = ["python", "-m", "recsys.stack.container"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_services(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*OURS, "postgres", "redis"}


def test_everything_that_stays_up_is_watched(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) == (name != "airflow-init"), name
        assert service["restart"] == ("no" if name == "airflow-init" else "unless-stopped"), name


def test_airflow_waits_for_its_databases_and_its_set_up(compose: dict[str, Any]) -> None:
    for name in AIRFLOW:
        waits = {k: v["condition"] for k, v in compose["services"][name]["depends_on"].items()}
        assert waits["airflow-init"] == "service_completed_successfully"
        assert waits["postgres"] == waits["redis"] == "service_healthy"


def test_every_container_has_the_least_rights_and_a_limit(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["pids_limit"], name
        assert any(str(place).startswith("/tmp") for place in service["tmpfs"]), name


def test_workers_scale(compose: dict[str, Any]) -> None:
    worker = compose["services"]["airflow-worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert "hostname" not in worker


def test_the_environment_is_that_of_the_local_stack(compose: dict[str, Any]) -> None:
    shared = servers.AIRFLOW | {
        key: servers.EMBEDDED[key]
        for key in ("AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED")
    }
    for name in AIRFLOW:
        given = compose["services"][name]["environment"]
        assert {key: given.get(key) for key in shared} == shared, name
    server = compose["services"]["mlflow"]["environment"]
    for key in ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        assert server[key] == servers.EMBEDDED[key]
    image = (ROOT / "Dockerfile").read_text()
    assert all(f"{name}={value}" in image for name, value in servers.ONE_THREAD.items())


def test_the_library_is_told_the_same_things(compose: dict[str, Any], tmp_path: Path) -> None:
    """What the local stack passes to tasks is passed to containers too."""
    from recsys.config import Settings

    place = servers.Place(tmp_path / "recsys.toml", tmp_path, 8080, 5000)
    local = {k for k in servers.environment(place, Settings()) if k.startswith("RECSYS_")}
    assert local <= set(compose["services"]["airflow-worker"]["environment"])


def test_dags_plugins_and_shops_are_mounted_read_only_where_airflow_looks(compose: dict[str, Any]) -> None:
    for name in AIRFLOW:
        service = compose["services"][name]
        mounted = {v.split(":")[1]: v for v in service["volumes"] if v.startswith("./")}
        assert all(v.endswith(":ro") for v in mounted.values())
        assert service["environment"]["AIRFLOW__CORE__DAGS_FOLDER"] in mounted
        assert service["environment"]["AIRFLOW__CORE__PLUGINS_FOLDER"] in mounted
        assert {"lake:/opt/recsys/runtime", "logs:/opt/recsys/logs"} <= set(service["volumes"])


def test_databases_have_no_port_and_no_way_out(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert {name for name, given in ports.items() if given} == {"airflow-apiserver", "mlflow"}
    assert all(port.startswith("127.0.0.1:") for given in ports.values() for port in given)
    assert compose["networks"]["inside"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == compose["services"]["redis"]["networks"] == ["inside"]


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert used >= set(secrets.ALL)
    for name in secrets.ALL:
        assert all(rest.startswith(":?") for rest in re.findall(rf"\$\{{{name}([^}}]*)\}}", text)), name
    example = _pairs((ROOT / ".env.example").read_text())
    assert used <= set(example)
    assert all(example[name] == "" for name in secrets.ALL)


def test_each_service_gets_the_secrets_it_needs_and_no_others(compose: dict[str, Any]) -> None:
    given = {n: {k for k in s["environment"] if k in secrets.ALL} for n, s in compose["services"].items()}
    assert given["mlflow"] == set(secrets.MLFLOW)
    assert given["airflow-init"] == set(secrets.INIT)
    assert all(given[name] == set(secrets.AIRFLOW) for name in AIRFLOW)


def test_the_filled_example_is_accepted_and_the_empty_one_refused() -> None:
    example = (ROOT / ".env.example").read_text()
    filled = _pairs(secrets.filled(example))
    assert secrets.read(filled, secrets.ALL) == {name: filled[name] for name in secrets.ALL}
    with pytest.raises(container.RecsysError, match="POSTGRES_PASSWORD cannot be used; got nothing"):
        secrets.read(_pairs(example), secrets.ALL)


def test_the_image_installs_from_the_lock_and_runs_as_nobody_in_particular(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "ARG EXTRAS=distributed\nRUN pip install -c constraints.txt" in dockerfile
    assert dockerfile.rstrip().splitlines()[-3] == f"USER {compose['services']['mlflow']['user']}"
    assert str(ENTRY).replace("'", '"') in dockerfile
    for folder in re.findall(r"^COPY ([\w. ]+) \S+$", dockerfile, re.MULTILINE):
        assert all((ROOT / name).exists() for name in folder.split()), folder
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = {n for line in re.findall(r"^COPY ([\w. ]+) \S+$", dockerfile, re.MULTILINE) for n in line.split()}
    assert {f"!{name}" for name in copied} <= set(ignored)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*AIRFLOW, "mlflow"])
def test_every_command_exists(compose: dict[str, Any], tmp_path: Path, name: str) -> None:
    command = compose["services"][name]["command"]
    if command[1] == "celery":
        pytest.importorskip("airflow.providers.celery", reason="the distributed extra is not installed")
    env = {"AIRFLOW_HOME": str(tmp_path), "PATH": str(Path(sys.executable).parent)}
    run = [sys.executable, "-m", *command, "--help"]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(option.split("=")[0] in done.stdout for option in command if option.startswith("--"))


def test_the_kubernetes_example_says_the_same_as_compose(compose: dict[str, Any]) -> None:
    values = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "values.yaml").read_text())
    told = {one["name"]: one["value"] for one in values["env"]}
    there = compose["services"]["airflow-worker"]["environment"]
    shared = [k for k in told if k in there and not k.startswith(("RECSYS_", "AIRFLOW__API__"))]
    assert {"AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__PLUGINS_FOLDER", *servers.AIRFLOW} <= set(shared)
    assert {k: told[k] for k in shared} == {k: there[k] for k in shared}
    assert told["RECSYS_LAKE"].startswith("s3://")  # pods share no disk
    locked = _pairs("\n".join(_locked()))
    assert values["airflowVersion"] == locked["apache-airflow"]
    assert "apache-airflow-providers-cncf-kubernetes" in locked
    context = values["securityContexts"]["containers"]
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not any(_is_secret(value) for value in _leaves(values))


def _locked() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line.split(" ;")[0].replace("==", "=", 1) for line in lines if "==" in line]


def _leaves(value: Any) -> list[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [str(value)] if inner is None else [leaf for one in inner for leaf in _leaves(one)]


def _is_secret(text: str) -> bool:
    return bool(re.search(r"://[^/]*:[^/]*@", text)) or (
        bool(re.fullmatch(r"[\w-]{40,}=?", text)) and not text.isupper()
    )


def test_every_check_of_health_begins_at_the_same_door(compose: dict[str, Any]) -> None:
    for name in (*AIRFLOW, "mlflow"):
        test = compose["services"][name]["healthcheck"]["test"]
        words = test[1].split() if test[0] == "CMD-SHELL" else test[1:]
        assert words[:3] == ENTRY, name


@pytest.mark.parametrize("overlay", ["", *OVERLAYS])
def test_compose_accepts_it(tmp_path: Path, overlay: str) -> None:
    """Where a compose client is installed, it must read the files with the example's variables filled in."""
    done = _config(tmp_path, secrets.filled((ROOT / ".env.example").read_text()) + BUCKET, overlay)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    if overlay == "compose.secrets.yml":
        assert not services["postgres"]["environment"]["POSTGRES_PASSWORD"]
        assert {s["source"] for s in services["airflow-worker"]["secrets"]} == {n.lower() for n in secrets.AIRFLOW}
    if overlay == "compose.s3.yml":
        assert services["airflow-worker"]["environment"]["RECSYS_LAKE"] == "s3://bucket/prefix"


def test_compose_refuses_an_empty_secret(tmp_path: Path) -> None:
    done = _config(tmp_path, (ROOT / ".env.example").read_text(), "")
    assert done.returncode != 0
    assert "fill in .env" in done.stderr


BUCKET = "RECSYS_LAKE=s3://bucket/prefix\nAWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=hidden\n"


def _config(folder: Path, env: str, overlay: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("no docker-compose client on this machine")
    filled = folder / "env"
    filled.write_text(env)
    files = [ROOT / "docker-compose.yml", *([ROOT / "deploy" / overlay] if overlay else [])]
    named = [word for file in files for word in ("-f", str(file))]
    command = [tool, "--env-file", str(filled), *named, "config"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _pairs(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
