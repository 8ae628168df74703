"""The walk without Airflow is the DAG's walk: the same steps after one another, given the same things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys import night as walk
from tests.dags import fake_steps
from tests.dags.test_nightly_retraining import home, parsed
from tests.dags.test_nightly_retraining import night as dag_run

__all__ = ["home"]  # the fixture
ASKED = {"contenders": ["als", "ease"], "as_of": "2011-11-30"}
OF_AIRFLOW = {"contenders", "backtests", "fits", "approval", "settle", "announce"}  # tasks that only a DAG needs


def walked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """(step or step:contender, what it was given) in the order of the calls."""
    calls = folder / "walk.jsonl"
    monkeypatch.setattr(fake_steps, "CALLS", calls)
    monkeypatch.setattr(walk, "steps", fake_steps)
    walk.run_night(ASKED)
    return [(name, given) for name, given in map(json.loads, calls.read_text().splitlines())]


def test_it_walks_the_dags_steps_in_an_order_the_dag_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = parsed(tmp_path, "print(json.dumps({t.task_id: sorted(t.upstream_task_ids) for t in dag.tasks}))")
    steps = [name.split(":")[0] for name, _ in walked(tmp_path, monkeypatch)]
    assert set(steps) == set(upstream) - OF_AIRFLOW
    assert {name: steps.count(name) for name in set(steps) if steps.count(name) > 1} == {"backtest": 2, "fit": 2}

    def before(task: str) -> set[str]:
        """The steps a task waits for, through the tasks that are no steps."""
        return {s for other in upstream[task] for s in ({other} if other in steps else before(other))}

    for at, step in enumerate(steps):
        assert before(step) <= set(steps[:at]), step


@pytest.mark.slow
def test_every_step_is_given_what_the_dag_gives_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, _, calls = dag_run(home, ASKED)
    assert state == "success"
    told = {name: given for name, given in calls if name not in ("start_night", "settle")}
    here = {name: given for name, given in walked(tmp_path, monkeypatch) if name != "start_night"}
    assert here == told
