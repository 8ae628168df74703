"""The containers of docker-compose.yml as processes of this machine: same commands and environment, other addresses."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from recsys.stack import processes, secrets, servers

ROOT = Path(__file__).parents[2]
ENTRY = (sys.executable, "-m", "recsys.stack.container")


@dataclass(frozen=True)
class Cluster:
    """Where everything lies: folder of files, ports by host, secrets by name."""

    folder: Path
    config: Path
    ports: Mapping[str, int]
    secret: Mapping[str, str]
    compose: Mapping[str, Any] = field(
        default_factory=lambda: yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    )

    @property
    def records(self) -> Path:
        return self.folder / "servers"

    def environment(self, service: str, **more: str) -> dict[str, str]:
        """What the service's container would have, with this machine's folders and ports."""
        given = {k: self._here(str(v)) for k, v in self.compose["services"][service]["environment"].items()}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "MLFLOW_", "_AIRFLOW", "RECSYS_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        own = {"AIRFLOW_HOME": str(self.folder / "airflow" / service), "RECSYS_CONFIG": str(self.config)}
        return {**kept, **servers.ONE_THREAD, **given, **own, "PATH": path, **more}

    def start(self, service: str, *options: str, name: str = "", **more: str) -> processes.Record:
        """Run the service's command behind the same door as its container."""
        env, name = self.environment(service, **more), name or service
        command = (*ENTRY, *(self._here(word) for word in self.compose["services"][service]["command"]), *options)
        Path(env.get("AIRFLOW_HOME", self.folder)).mkdir(parents=True, exist_ok=True)
        server = processes.Server(name, command, env, self.folder, self.folder / "output" / f"{name}.log")
        return processes.start(server, self.records)

    def run(self, *command: str, service: str = "airflow-init", **more: str) -> subprocess.CompletedProcess[str]:
        """One command through the same door, to its end."""
        env = self.environment(service, **more)
        Path(env["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
        whole = (*ENTRY, *command)
        return subprocess.run(whole, env=env, cwd=self.folder, capture_output=True, text=True, check=False)

    def _here(self, text: str) -> str:
        text = re.sub(r"\$\{(\w+):?[-?]([^}]*)\}", lambda found: self.secret.get(found[1], found[2]), text)
        for host, port in self.ports.items():
            text = re.sub(rf"\b{host}:\d+", f"127.0.0.1:{port}", text)
        text = text.replace("--host=0.0.0.0", "--host=127.0.0.1")
        if text.startswith("--port="):
            text = f"--port={self.ports['mlflow']}"
        for name in ("dags", "plugins"):
            text = text.replace(f"/opt/recsys/{name}", str(ROOT / name))
        return text.replace("/opt/recsys", str(self.folder))


def needs_binaries() -> None:
    """Skip, with the reason, where the system's PostgreSQL, Redis or the distributed extra is missing."""
    for name in ("initdb", "pg_ctl", "redis-server"):
        if _binary(name) is None:
            pytest.skip(f"no {name} on this machine: apt install postgresql redis-server")
    for module in ("psycopg2", "asyncpg", "redis", "celery", "airflow.providers.celery", "airflow.providers.fab"):
        pytest.importorskip(module, reason="the distributed extra is not installed")


def free_ports(*names: str) -> dict[str, int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in names]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in zip(names, taken, strict=True)}


@contextlib.contextmanager
def postgres(port: int, password: str) -> Iterator[None]:
    """A PostgreSQL of our own with user recsys and database airflow, as the image makes them."""
    folder = Path(tempfile.mkdtemp(prefix="recsys-postgres-"))
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:  # it refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ("runuser", "-u", "postgres", "--")
    data, log = folder / "data", folder / "log"
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)
    made = (str(_binary("initdb")), "-D", str(data), "-U", "recsys", "-A", "scram-sha-256", "-E", "UTF8")
    _call(*as_user, *made, f"--pwfile={folder / 'password'}")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = (*as_user, str(_binary("pg_ctl")), "-D", str(data))
    _call(*control, "-l", str(log), "-o", options, "-w", "start")
    try:
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=port, user="recsys", password=password, dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute("create database airflow")
        connection.close()
        yield
    finally:
        _call(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis(compose: Mapping[str, Any], port: int, password: str, folder: Path) -> Iterator[None]:
    """The compose file's own command line, on a port of this machine."""
    shell = compose["services"]["redis"]["command"][-1].replace("$$", "$").replace("--dir /data", f"--dir {folder}")
    command = ["sh", "-c", f"{shell} --port {port} --bind 127.0.0.1"]
    server = subprocess.Popen(
        command, env={**os.environ, "REDISCLI_AUTH": password}, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: _listens(port), 30)
        yield
    finally:
        end(psutil.Process(server.pid))
        server.wait()


def wait_for(look: Callable[[], Any], seconds: float) -> Any:
    """What `look` found once that is something; an assertion fails when it stays nothing for so long."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {seconds:.0f} s"
        time.sleep(0.2)
    return found


def recsys(*command: str, folder: Path, **env: str) -> subprocess.Popen[str]:
    """The command line as a process of its own that knows no setting but those of `folder` and `env`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RECSYS_")}
    run = [sys.executable, "-c", "from recsys.cli import main; main()", *command]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(run, cwd=folder, env=kept | env, **pipes)


def said(*command: str, folder: Path, **env: str) -> str:
    """Everything a command that ended well has said."""
    process = recsys(*command, folder=folder, **env)
    told = "".join(process.communicate(timeout=900))
    assert process.returncode == 0, told
    return told


def mlflow_runs(url: str, experiment: str = "recsys") -> dict[str, str]:
    """Status of every run of an experiment by its name, over HTTP."""
    api = f"{url}/api/2.0/mlflow"
    found = httpx.get(f"{api}/experiments/get-by-name", params={"experiment_name": experiment}).json()
    body = {"experiment_ids": [found["experiment"]["experiment_id"]]}
    told = httpx.post(f"{api}/runs/search", json=body).json()["runs"]
    return {run["info"]["run_name"]: run["info"]["status"] for run in told}


def end(process: psutil.Process) -> None:
    """SIGKILL a process and everything below it, as the end of a container would."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _binary(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def secrets_of_a_test() -> dict[str, str]:
    return {name: secrets.make(name) for name in secrets.ALL}
