"""Nights that are not scheduled: none starts by itself, a backfill walks its days."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.dags import DAGS, ROOT, environment


def test_the_scheduler_is_told_of_no_night_and_a_backfill_of_every_one(tmp_path: Path) -> None:
    code = f"""
import json, sys
sys.path[:0] = [{str(DAGS)!r}, {str(ROOT / "plugins")!r}]
import nightly_retraining, pendulum
from airflow.serialization.serialized_objects import DagSerialization
dag = DagSerialization.from_dict(DagSerialization.to_dict(nightly_retraining.nightly_retraining()))
first, last = pendulum.datetime(2011, 12, 3), pendulum.datetime(2011, 12, 4, 23)
days = [i.logical_date.isoformat() for i in dag.iter_dagrun_infos_between(first, last)]
info = dag.next_dagrun_info(last_automated_run_info=None)
print(json.dumps([type(dag.timetable).__name__, dag.timetable.periodic, dag.timetable.summary, info, days]))
"""
    env = {**environment(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    name, periodic, summary, info, days = json.loads(done.stdout.splitlines()[-1])
    assert (name, periodic, summary, info) == ("OnDemand", True, "on demand", None)
    assert days == ["2011-12-03T02:00:00+00:00", "2011-12-04T02:00:00+00:00"]
