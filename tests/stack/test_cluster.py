"""The compose file as processes of this machine: a night on two Celery workers, one killed in the middle of a fit."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from recsys import publication
from recsys.data.lake import Lake
from recsys.stack import airflow, processes, servers
from recsys.stack.airflow import Client
from tests.shops import TWO_CONTENDERS, small_market
from tests.stack import native
from tests.stack.native import Cluster, mlflow_runs, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1500)]
WORKERS = ("worker-1", "worker-2")
SLOW = "lightfm_long"
MORE = f"""
[night]
retry_seconds = 2
{TWO_CONTENDERS}
[contenders.lightfm_long]
family = "lightfm"
epochs = 1500
[contenders.lightfm_longer]
family = "lightfm"
epochs = 1500
loss = "bpr"
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """PostgreSQL and Redis are up; nothing of ours is."""
    native.needs_binaries()
    folder = tmp_path_factory.mktemp("cluster")
    config = small_market(folder, MORE)
    (folder / "scratch").mkdir()
    ports = native.free_ports("postgres", "redis", "airflow-apiserver", "mlflow", "scheduler", *WORKERS, "triggerer")
    one = Cluster(folder, config, ports, native.secrets_of_a_test())
    with (
        native.postgres(ports["postgres"], one.secret["POSTGRES_PASSWORD"]),
        native.redis(one.compose, ports["redis"], one.secret["REDIS_PASSWORD"], folder),
    ):
        yield one
        processes.stop(one.records)


def test_a_wrong_secret_is_one_sentence_before_anything_starts(cluster: Cluster) -> None:
    other = native.secrets_of_a_test()
    for name, said in (("POSTGRES_PASSWORD", "PostgreSQL at"), ("REDIS_PASSWORD", "Redis at")):
        done = cluster.run("airflow", "scheduler", **{name: other[name]})
        assert done.returncode == 1
        assert said in done.stderr
        assert "refuses the password" in done.stderr
        assert "put that one into .env" in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    done = cluster.run("airflow", "scheduler", AIRFLOW_JWT_SECRET="airflow")
    assert done.stderr.startswith("ConfigError: AIRFLOW_JWT_SECRET cannot be used")


def test_a_worker_dies_in_the_middle_of_a_fit_and_the_night_ends_right(cluster: Cluster) -> None:
    done = cluster.run("init")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert cluster.run("init").returncode == 0  # again without harm
    client = _start(cluster)
    run = airflow.trigger(client, {})
    killed = _kill_a_worker_that_fits(cluster, client, run)
    state = wait_for(lambda: _ended(client, run), 900)
    tasks = airflow.tasks(client, run)
    assert state == "success", [(task.label, task.state) for task in tasks if task.state != "success"]
    assert any(task.tries > 1 for task in tasks), f"nothing was tried again after {killed} died"

    lake = Lake(str(cluster.folder / "runtime" / "lake"))
    entry = publication.current(lake)
    assert entry.name == "gen-000001"
    assert publication.doctor(lake) == []
    told = airflow.result(client, run, "publish")
    assert told["generation"] == "gen-000001"
    fits = {record["name"]: record["status"] for record in airflow.result(client, run, "fits")}
    assert set(fits.values()) == {"ok"}
    assert SLOW in fits
    _leaderboard_is_behind_the_login(cluster, str(told["champion"]))
    runs = mlflow_runs(f"http://127.0.0.1:{cluster.ports['mlflow']}")
    assert {"popularity_28d", "item_neighbours", SLOW} <= set(runs)
    assert set(runs.values()) == {"FINISHED"}


def _start(cluster: Cluster) -> Client:
    """Every service, and a client of Airflow once all parts are at work."""
    port = cluster.ports["airflow-apiserver"]
    # A dead worker is known after 3 minutes; a test does not wait so long.
    soon = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30"}
    health = {"AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(cluster.ports["scheduler"])}
    cluster.start("mlflow")
    cluster.start("airflow-apiserver", "--port", str(port), "--host", "127.0.0.1", **soon)
    cluster.start("airflow-scheduler", "--skip-serve-logs", **soon, **health)
    cluster.start("airflow-dag-processor")
    cluster.start("airflow-triggerer", "--skip-serve-logs")
    for name in WORKERS:
        hostname = ("--celery-hostname", f"{name}@%h", "--concurrency", "1", "--skip-serve-logs")
        cluster.start("airflow-worker", *hostname, name=name, **soon)
    client = Client(f"http://127.0.0.1:{port}", servers.USER, cluster.secret["AIRFLOW_ADMIN_PASSWORD"])
    parts = {"metadatabase", "scheduler", "dag_processor", "triggerer"}
    wait_for(lambda: {n for n, s in client.health().items() if s == "healthy"} >= parts, 240)
    airflow.wait_for_dag(client, 120)
    airflow.unpause(client)
    urls = (
        f"http://127.0.0.1:{port}/api/v2/version",
        f"http://127.0.0.1:{cluster.ports['scheduler']}/health",
        f"http://127.0.0.1:{cluster.ports['mlflow']}/health",
    )
    for url in urls:
        wait_for(lambda url=url: cluster.run("health", url).returncode == 0, 120)
    return client


def _kill_a_worker_that_fits(cluster: Cluster, client: Client, run: str) -> str:
    """Wait until both workers have fitted something and the long contender is in the middle; kill its worker."""
    pids = {r.name: r.pid for r in processes.recorded(cluster.records) if r.name in WORKERS}
    seen: set[str] = set()

    def long_fit() -> str | None:
        for name, pid in pids.items():
            for child in _fits_below(pid):
                seen.add(name)
                if seen == set(WORKERS) and time.time() - child.create_time() > 2.0:
                    return name
        assert airflow.state(client, run) not in airflow.ENDED, "the night ended before both workers had fitted"
        return None

    name = wait_for(long_fit, 300)
    native.end(psutil.Process(pids[name]))
    return name


def _fits_below(pid: int) -> list[psutil.Process]:
    try:
        below = psutil.Process(pid).children(recursive=True)
        return [child for child in below if "recsys.contest.child" in child.cmdline()]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _ended(client: Client, run: str) -> str | None:
    state = airflow.state(client, run)
    return state if state in airflow.ENDED else None


def _leaderboard_is_behind_the_login(cluster: Cluster, champion: str) -> None:
    """The plugin with the user database of the cluster, not the laptop's one user."""
    base = f"http://127.0.0.1:{cluster.ports['airflow-apiserver']}"
    assert httpx.get(f"{base}/recsys/").status_code in (401, 403)
    login = {"username": servers.USER, "password": cluster.secret["AIRFLOW_ADMIN_PASSWORD"]}
    token = httpx.post(f"{base}/auth/token", json=login).json()["access_token"]
    page = httpx.get(f"{base}/recsys/", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert page.status_code == 200
    assert champion in page.text
