"""Live progress of a night: a table that redraws on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from recsys.errors import ServiceError
from recsys.stack import airflow
from recsys.stack.airflow import ENDED, Client, Task

STYLES = {
    "success": "green",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
    "running": "cyan",
    "skipped": "dim",
}
SLOW = 15.0  # seconds after which a running task is worth a line
PATIENCE = 120.0  # seconds Airflow may stay silent before we give up watching


def follow(client: Client, run: str, console: Console, pause: float = 1.0) -> str:
    """Show a run until it ends; returns its state."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=2, transient=False) as live:
            return _until_end(client, run, lambda tasks, seconds: live.update(table(tasks, seconds)), pause)
    return _until_end(client, run, Lines(console.print), pause)


def _until_end(client: Client, run: str, show: Callable[[list[Task], float], None], pause: float) -> str:
    began = heard = time.monotonic()
    while True:
        try:
            state, tasks = airflow.state(client, run), airflow.tasks(client, run)
            heard = time.monotonic()
            show(tasks, heard - began)
            if state in ENDED:
                return state
        except ServiceError:
            if time.monotonic() - heard > PATIENCE:
                raise
        time.sleep(pause)


def table(tasks: Iterable[Task], seconds: float) -> Table:
    """One row per task that is no longer waiting."""
    rows = list(tasks)
    done = sum(task.state in (*ENDED, "skipped", "upstream_failed") for task in rows)
    drawn = Table(title=f"The night: {done} of {len(rows)} tasks, {seconds:.0f} s", title_justify="left")
    for title in ("task", "contender", "state", "seconds"):
        drawn.add_column(title, justify="right" if title == "seconds" else "left")
    for task in rows:
        if task.state:
            style = STYLES.get(task.state, "")
            drawn.add_row(task.name, task.contender, said(task), _seconds(task), style=style)
    return drawn


class Lines:
    """Prints a line when a task ends or is tried again, and one for a task that takes its time."""

    def __init__(self, out: Callable[[str], Any]) -> None:
        self._out = out
        self._seen: dict[str, str] = {}
        self._since: dict[str, float] = {}

    def __call__(self, tasks: Iterable[Task], seconds: float) -> None:
        for task in tasks:
            if task.state in ("", "scheduled", "queued") or not task.named:
                continue
            now = said(task)
            begun = self._since.setdefault(f"{task.label} {now}", seconds)
            if self._seen.get(task.label) == now or (task.state == "running" and seconds - begun < SLOW):
                continue
            self._seen[task.label] = now
            took = f" ({task.seconds:.1f} s)" if task.seconds is not None and task.state != "running" else ""
            self._out(f"{seconds:7.1f} s  {task.label}: {now}{took}")


def said(task: Task) -> str:
    """A task's state in words."""
    words = task.state.replace("_", " ")
    return f"{words}, try {task.tries}" if task.tries > 1 else words


def _seconds(task: Task) -> str:
    return "" if task.seconds is None else f"{task.seconds:.1f}"
