"""kill -9 while runs are written, then after each call that changes MLflow on the way to a registered champion.

However it died, the next try ends with one run per contender and one version.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from recsys.tracking import connect, mirror
from tests.tracking import world

CHANGES = (
    "create_experiment", "create_run", "log_batch", "log_inputs", "log_artifact", "set_terminated",
    "create_registered_model", "create_model_version", "set_registered_model_alias", "set_tag", "delete_run",
)  # fmt: skip


def dying_mirror(folder: str, moment: int) -> None:
    """Mirror a night and die right after the change number `moment`; after fewer changes it comes to its end."""
    import mlflow

    made = 0

    def deadly(change: Any) -> Any:
        def call(*inputs: Any, **more: Any) -> Any:
            nonlocal made
            done = change(*inputs, **more)
            made += 1
            if made == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return call

    for name in CHANGES:
        setattr(mlflow.MlflowClient, name, deadly(getattr(mlflow.MlflowClient, name)))
    mirror(*told(Path(folder)))


def told(folder: Path) -> tuple[Any, ...]:
    one = world.settings(folder)
    lake = world.lake_of(one)
    records = [world.record(lake, "ease", 0.2), world.failed("lightfm_warp")]
    published = {"generation": "gen-000001", "champion": "ease"}
    return one, lake, world.night(), records, world.decision("ease", records), published


@pytest.mark.slow
def test_killed_while_runs_are_written_and_while_the_champion_is_registered(tmp_path: Path) -> None:
    import mlflow

    one = world.settings(tmp_path)
    world.publish(world.lake_of(one), "ease")
    ends = [end_of(tmp_path, moment) for moment in (2, 5)]
    unregistered = told(tmp_path)[:-1]
    assert mirror(*unregistered, {})["status"] == "ok"  # the runs are there, the champion is not
    while ends[-1] == -signal.SIGKILL:
        ends.append(end_of(tmp_path, len(ends) - 1))
    assert ends[-1] == 0
    assert len(ends) - 1 >= 5
    said = mirror(*told(tmp_path))
    client = mlflow.MlflowClient(connect.address(one), connect.address(one))
    runs = client.search_runs([said["experiment"]])
    assert sorted(r.info.run_name for r in runs) == ["ease", "lightfm_warp", "night 2011-12-08"]
    assert {r.info.status for r in runs} == {"FINISHED", "FAILED"}
    versions = client.search_model_versions("name = 'recsys-corner'")
    assert [v.tags["generation"] for v in versions] == ["gen-000001"]
    assert client.get_model_version_by_alias("recsys-corner", "champion").version == versions[0].version


def end_of(folder: Path, moment: int) -> int | None:
    """Exit code of a process that dies at `moment`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow", "recsys.tracking", "tests.tracking.world"])
    child = context.Process(target=dying_mirror, args=(str(folder), moment))
    child.start()
    child.join(60)
    return child.exitcode
