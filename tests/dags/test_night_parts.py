"""What hangs on the night: the question to a person, the MLflow button, alerts, the follower of the champion."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.dags import DAGS, ROOT, asked, fresh
from tests.dags.test_nightly_retraining import home, night, parsed

__all__ = ["home"]  # the fixture
DECISION = {
    "champion": "ease",
    "proposal": "als",
    "reasons": ["Promotion waits.", "als would replace ease: +0.0100."],
    "leaderboard": [
        {"name": "als", "status": "ok", "tracks": {"new": {"metrics": {"ndcg_at_10": interval}}}}
        for interval in [{"mean": 0.2, "low": 0.19, "high": 0.22}]
    ]
    + [{"name": "odd|name", "status": "failed", "tracks": {}}],
}


def test_a_proposal_is_asked_with_evidence_a_deadline_and_a_safe_default(tmp_path: Path) -> None:
    then = f"""
import night_approval as n
import airflow.providers.standard.operators.hitl as hitl
from airflow.sdk.exceptions import TaskAwaitingInput
from datetime import timedelta
from types import SimpleNamespace
put = {{}}
hitl.upsert_hitl_detail = lambda **told: put.update(told)
context = {{"task_instance": SimpleNamespace(id="x")}}
def op(decision):
    wait = timedelta(hours=4)
    return n.AskPromotion(task_id="a", decision=decision, primary="ndcg_at_10", track="new", response_timeout=wait)
free = op({{"proposal": None, "champion": "ease"}}).execute(context)
try:
    op({DECISION!r}).execute(context)
except TaskAwaitingInput as parked:
    wait = parked.timeout.total_seconds()
event = {{"chosen_options": ["Promote"], "params_input": {{}}, "responded_at": __import__("datetime").datetime.now()}}
def answer(options, who):
    return op({DECISION!r}).execute_complete(context, event | {{"chosen_options": options, "responded_by_user": who}})
answers = [
    answer(["Promote"], {{"id": "1", "name": "anna"}}), answer(["Keep the champion"], {{"id": "1", "name": "anna"}}),
    answer(["Keep the champion"], None), answer(["Promote"], None),
]
print(json.dumps([free, put["subject"], put["body"], put["options"], put["defaults"], wait, answers]))
"""
    free, subject, body, options, defaults, wait, answers = asked(tmp_path, then)
    assert free == {"answer": "none", "by": ""}
    assert subject == "Shall als replace ease?"
    assert "als would replace ease: +0.0100." in body
    assert "| als **(proposed)** | 0.2000 | 0.1900 to 0.2200 |" in body
    assert "| odd\\|name | n/a | failed |" in body
    assert (options, defaults, wait) == (["Promote", "Keep the champion"], ["Keep the champion"], 4 * 3600)
    assert answers == [
        {"answer": "promote", "by": "anna"},
        {"answer": "keep", "by": "anna"},
        {"answer": "keep", "by": ""},
        {"answer": "promote", "by": ""},  # settle demands a name
    ]


def test_the_deadline_of_a_night(tmp_path: Path) -> None:
    then = """
d = dag.deadline[0] if isinstance(dag.deadline, list) else dag.deadline
print(json.dumps([d.reference.reference_name, d.interval.total_seconds(), d.callback.path, d.callback.kwargs]))
"""
    told = parsed(tmp_path, then, RECSYS_NIGHT__LATE_HOURS="2.5")
    assert told == ["DagRunQueuedAtDeadline", 9000.0, "night_alerts.night_late", {"hours": 2.5}]


def test_airflow_dags_test_has_no_deadline(tmp_path: Path) -> None:
    """Airflow 3.3 cannot end such a run where there is one."""
    then = """
sys.argv = ["airflow", "dags", "test", "nightly_retraining"]
import nightly_retraining
print(json.dumps(bool(nightly_retraining.nightly_retraining().deadline)))
"""
    assert asked(tmp_path, then) is False


def test_training_tasks_have_the_button_and_neither_they_nor_their_joins_tell_a_failure(tmp_path: Path) -> None:
    then = """
links = {t.task_id: [l.name for l in t.operator_extra_links] for t in dag.tasks if t.operator_extra_links}
given = {t.task_id: t.partial_kwargs if t.is_mapped else vars(t) for t in dag.tasks}
silent = [name for name, told in given.items() if not told.get("on_failure_callback")]
print(json.dumps([links, silent]))
"""
    links, silent = parsed(tmp_path, then)
    assert links == {"backtest": ["MLflow"], "fit": ["MLflow"]}
    assert sorted(silent) == ["backtest", "backtests", "fit", "fits"]


@pytest.fixture
def hook(serve: Callable[..., str]) -> tuple[str, list[dict[str, Any]]]:
    """A webhook and what it was sent."""
    taken: list[dict[str, Any]] = []

    def take(handler: BaseHTTPRequestHandler) -> None:
        taken.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        handler.send_response(204)
        handler.end_headers()

    return f"{serve(take)}/hook?token=s3cret", taken


def test_a_late_night_is_told_and_a_dead_webhook_harms_nothing(tmp_path: Path, hook: Any) -> None:
    url, taken = hook
    then = f"""
import os, logging
import night_alerts as n
logging.basicConfig(stream=sys.stdout, format="%(message)s", level="WARNING")
os.environ["RECSYS_NIGHT__WEBHOOK"] = {url!r}
n.night_late(context={{"dag_run": {{"dag_run_id": "manual__8"}}}}, hours=6)
os.environ["RECSYS_NIGHT__WEBHOOK"] = "http://127.0.0.1:9/s3cret"
n.night_late(context={{}}, hours=6)
print(json.dumps("done"))
"""
    done = fresh(tmp_path, then)
    assert done.returncode == 0, done.stderr
    assert taken == [{"text": "corner: the night manual__8 has not ended 6 hours after it was due."}]
    assert done.stdout.count("has not ended 6 hours") == 2
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_failed_night_is_told_once_in_one_readable_message(home: Path, hook: Any) -> None:
    url, taken = hook
    state, _, _ = night(home, hook=url, ingest="data")
    assert state == "failed"
    assert len(taken) == 1
    text = taken[0]["text"]
    assert text.startswith("corner: the night manual__")
    assert "failed at ingest, try 1: orders.csv; got no header." in text
    assert "\n" not in text


@pytest.mark.slow
def test_the_follower_pushes_what_is_served(home: Path, tmp_path: Path) -> None:
    """Not what was announced: a rollback may have come between. Without an address it is skipped."""
    code = f"""
sys.path.insert(0, {str(Path(__file__).parent)!r})
import fake_steps, after_champion
from champion_asset import champion
from types import SimpleNamespace
told = {{champion(after_champion.settings): [SimpleNamespace(extra={{"generation": "gen-000001"}})]}}
after_champion.get_current_context = lambda: {{"triggering_asset_events": told}}
sys.modules["recsys.steps"] = fake_steps
run = after_champion.after_champion().test()
print("\\nEND " + json.dumps([str(t.state) for t in run.get_task_instances()]))
"""
    ends = []
    for more in ({}, {"RECSYS_PUBLISHING__PUSH_URL": "sqlite:////tmp/x.db"}):
        done = fresh(home, code, **more)
        assert done.returncode == 0, done.stderr
        ends.append(json.loads([line for line in done.stdout.splitlines() if line.startswith("END ")][-1][4:]))
    assert ends == [["skipped"], ["success"]]
    assert json.loads((home / "calls.jsonl").read_text().splitlines()[-1]) == ["push", [None]]


def test_it_is_scheduled_on_the_champion(tmp_path: Path) -> None:
    then = """
import after_champion, nightly_retraining
d = after_champion.after_champion()
out = [a.uri for t in nightly_retraining.nightly_retraining().tasks for a in t.outlets]
print(json.dumps([[a.uri for a in d.timetable.asset_condition.objects], out]))
"""
    scheduled, made = asked(tmp_path, then)
    assert scheduled == made == ["recsys://corner/champion"]


def test_every_dag_file_is_short() -> None:
    assert {f.name for f in DAGS.glob("*.py") if len(f.read_text().splitlines()) > 80} == set()
    assert (ROOT / "plugins" / "recsys_plugin.py").exists()
