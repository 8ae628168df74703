"""How a task of the night calls the library, is tried again, and joins what its contenders left."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, TriggerRule, task
from night_alerts import task_failed
from night_button import training
from night_form import LONGER

from recsys.config import Settings


def call(name: str, *inputs: Any) -> Any:
    """Run one function of recsys.steps; the library is imported here, never while Airflow parses."""
    return getattr(import_module("recsys.steps"), name)(*inputs)


def step(name: str, *inputs: Any) -> Any:
    """The task named after the function of recsys.steps that it calls."""
    return task(task_id=name)(call)(name, *inputs)


def per_contender(settings: Settings) -> Any:
    """The decorator of tasks that are mapped over contenders: few at a time, labelled by name, with a button.

    One that fails is told in the leaderboard, not by an alert: the night goes on.
    """
    return training(
        on_failure_callback=None,
        pool="training",
        map_index_template="{{ task.op_kwargs['contender'] }}",
        execution_timeout=patience(settings),
    )


@task(trigger_rule=TriggerRule.ALL_DONE, on_failure_callback=None)  # it fails only after what was told already
def collect(names: list[str], records: Any) -> list[dict[str, Any]]:
    """One record per contender: a task that died without one is a failed contender, not the end of the night."""
    left = {record["name"]: record for record in records or () if record}
    return [left.get(name, _failed(name)) for name in names]


def _failed(name: str) -> dict[str, Any]:
    return {"name": name, "status": "failed", "reason": "its task ended without a record: see its log"}


def retries(settings: Settings) -> dict[str, Any]:
    """Infrastructure is tried again with growing waits; an error the same input would repeat is not."""
    night = settings.night
    return {
        "retries": night.retries,
        "retry_delay": timedelta(seconds=night.retry_seconds),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=20),
        "on_failure_callback": task_failed,
        "retry_policy": ExceptionRetryPolicy(
            [
                RetryRule(["recsys.errors.StoreError", "recsys.errors.ServiceError"], RetryAction.DEFAULT),
                RetryRule("recsys.errors.RecsysError", RetryAction.FAIL, reason="the same input would fail again"),
            ]
        ),
    }


def patience(settings: Settings) -> timedelta:
    """When Airflow ends a contender's task: a backstop behind the fit's own deadline, which leaves a record."""
    night, searches = settings.night, len(settings.entered())  # a blend may have to search for all its parts
    return timedelta(minutes=10, seconds=LONGER * max(60, night.fit_seconds) + searches * night.tune_seconds)
