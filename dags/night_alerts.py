"""One readable message when a night fails or is late: in the log, and to the webhook of [night] where there is one."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from recsys.config import Settings, load

SECONDS = 5.0
log = logging.getLogger(__name__)


def task_failed(context: Any) -> None:
    """A step of the night came to its end without success: the night fails with it."""
    task, error = context["task_instance"], context.get("exception")
    why = str(error).strip().splitlines()[0] if error and str(error).strip() else type(error).__name__
    tell(f"the night {context['run_id']} failed at {task.task_id}, try {task.try_number}: {why[:500]}", task.log_url)


def night_late(context: Any = None, hours: float = 0.0) -> None:
    """The deadline has passed and the run has not ended."""
    run = (context or {}).get("dag_run") or {}
    told = run.get("dag_run_id") or run.get("run_id") if isinstance(run, dict) else getattr(run, "run_id", "")
    tell(f"the night {told or 'of this DAG'} has not ended {hours:g} hours after it was due.", "")


def deadline(settings: Settings) -> DeadlineAlert | None:
    """Airflow's alert on a late night, counted from when the run was queued.

    None under `airflow dags test`: Airflow 3.3 cannot end such a run where there is a deadline.
    """
    if sys.argv[1:3] == ["dags", "test"]:
        return None
    hours = settings.night.late_hours
    late = SyncCallback("night_alerts.night_late", kwargs={"hours": hours})
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(hours=hours), late)


def tell(text: str, where: str) -> None:
    """Log it; send it as {"text": ...} where [night] webhook says. Never raises: an alert must not break a night."""
    settings = load()
    message = f"{settings.shop.name}: {text}" + (f" Log: {where}" if where else "")
    log.error(message)
    if not settings.night.webhook:
        return
    try:
        import httpx

        httpx.post(settings.night.webhook, json={"text": message}, timeout=SECONDS).raise_for_status()
    except Exception as error:  # its text carries the address, which may be a secret
        log.warning("The webhook of [night] did not take the message: %s", type(error).__name__)
