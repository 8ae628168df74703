"""A timetable for nights that are not scheduled: none starts by itself, a backfill still knows its days."""

from __future__ import annotations

from typing import Any

from airflow.timetables.trigger import CronTriggerTimetable


class OnDemand(CronTriggerTimetable):
    """The cron expression says which days a backfill walks; the scheduler, whose view has no end, is told of none."""

    @property
    def summary(self) -> str:
        """What the list of DAGs shows."""
        return "on demand"

    def next_dagrun_info(self, *, last_automated_data_interval: Any, restriction: Any) -> Any:
        """A backfill asks with a last day; the scheduler does not."""
        if restriction.latest is None:
            return None
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
