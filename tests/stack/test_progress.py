"""Progress as lines and as a table, and its patience with a silent server."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from recsys.errors import ServiceError
from recsys.stack import progress
from recsys.stack.airflow import Task


def task(name: str, state: str, contender: str = "", tries: int = 1, seconds: float | None = None) -> Task:
    return Task(name, contender, not contender.isdigit(), state, tries, seconds)


def test_a_line_when_a_task_ends_or_is_tried_again() -> None:
    said: list[str] = []
    lines = progress.Lines(said.append)
    lines([task("ingest", "running"), task("fit", "", "als")], 1)
    lines([task("ingest", "success", seconds=2.0), task("fit", "running", "1")], 3)
    lines([task("ingest", "success", seconds=2.0), task("fit", "up_for_retry", "als")], 4)
    lines([task("fit", "success", "als", tries=2, seconds=7.25)], 20)
    assert [line.split("s  ", 1)[1] for line in said] == [
        "ingest: success (2.0 s)",
        "fit als: up for retry",
        "fit als: success, try 2 (7.2 s)",
    ]


def test_a_task_that_takes_its_time_is_told_once() -> None:
    said: list[str] = []
    lines = progress.Lines(said.append)
    for seconds in (0, 10, 20, 30):
        lines([task("prepare", "running")], seconds)
    assert said == ["   20.0 s  prepare: running"]


def test_the_table_counts_what_is_done() -> None:
    rows = [task("ingest", "success", seconds=3), task("fit", "running", "als"), task("report", "")]
    out = Console(file=io.StringIO(), width=100)
    out.print(progress.table(rows, 12))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 3 tasks, 12 s" in text
    assert "als" in text
    assert "report" not in text


class Double:
    """Answers with the given states, one per poll; an exception is raised."""

    def __init__(self, *states: Any) -> None:
        self.states = list(states)


@pytest.fixture
def polled(monkeypatch: pytest.MonkeyPatch) -> None:
    def state(client: Double, run: str) -> str:
        told = client.states.pop(0)
        if isinstance(told, Exception):
            raise told
        return str(told)

    monkeypatch.setattr(progress.airflow, "state", state)
    monkeypatch.setattr(progress.airflow, "tasks", lambda client, run: [task("ingest", "success", seconds=1)])


@pytest.mark.usefixtures("polled")
def test_it_follows_to_the_end_through_a_short_silence() -> None:
    out = Console(file=io.StringIO())
    silent = ServiceError("away")
    assert progress.follow(Double("running", silent, "failed"), "r", out, pause=0) == "failed"  # type: ignore[arg-type]


@pytest.mark.usefixtures("polled")
def test_it_gives_up_after_a_long_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    with pytest.raises(ServiceError):
        progress.follow(Double(ServiceError("away")), "r", Console(file=io.StringIO()), pause=0)  # type: ignore[arg-type]
