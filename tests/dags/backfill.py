"""Run the nightly DAG with its real steps for some days and print how each run ended: started by test_backfill."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pendulum

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "dags"), str(ROOT / "plugins")]

import nightly_retraining  # noqa: E402

dag = nightly_retraining.nightly_retraining()
dag.deadline = None  # as under `airflow dags test`: see night_alerts.deadline
ends = []
for day in sys.argv[1:]:
    run = dag.test(logical_date=pendulum.parse(day))
    states = {t.task_id: str(t.state) for t in run.get_task_instances()}
    ends.append({"state": str(run.state), "tasks": states})
print("\nEND " + json.dumps(ends))
