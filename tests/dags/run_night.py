"""Run the nightly DAG in this process with fake steps and print its end: started by test_nightly_retraining."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "dags")]

import fake_steps  # noqa: E402
import nightly_retraining  # noqa: E402

sys.modules["recsys.steps"] = fake_steps
dag = nightly_retraining.nightly_retraining()
dag.deadline = None  # as under `airflow dags test`: see night_alerts.deadline
run = dag.test(run_conf=json.loads(sys.argv[1]))
tasks = [[t.task_id, t.map_index, t.rendered_map_index, str(t.state), t.try_number] for t in run.get_task_instances()]
print("\nEND " + json.dumps({"state": str(run.state), "tasks": tasks}))
