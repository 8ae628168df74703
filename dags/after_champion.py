"""An example of what follows a new champion: its lists go into a table of the shop's database ([publishing] push_url).

Copy it for your own consumers: a feed, a cache, a mail run.
"""

from __future__ import annotations

from typing import Any

import installed  # noqa: F401
from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException
from champion_asset import champion
from night_tasks import call, retries

from recsys.config import load

settings = load()


@task
def push_lists() -> dict[str, Any]:
    """The lists of the generation being served: of the one announced, unless it was rolled back meanwhile."""
    if not settings.publishing.push_url:
        raise AirflowSkipException("No [publishing] push_url: nothing to push to.")
    return call("push")


@dag(
    schedule=[champion(settings)],
    default_args=retries(settings),
    max_active_runs=1,
    tags=[settings.shop.name],
    catchup=False,
    is_paused_upon_creation=False,
)
def after_champion() -> None:
    """Push the lists of a new generation to the shop's table."""
    push_lists()


after_champion()
