"""An example of what follows a new champion: its lists go into a table of the shop's database ([publishing] push_url).

Copy it for your own consumers: a feed, a cache, a mail run.
"""

from __future__ import annotations

from typing import Any

import installed  # noqa: F401
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from champion_asset import champion
from night_tasks import call, retries

from recsys.config import load

settings = load()
CHAMPION = champion(settings)


@task
def push_lists() -> dict[str, Any]:
    """The lists of the generation that was announced; of the one being served when triggered by hand."""
    if not settings.publishing.push_url:
        raise AirflowSkipException("No [publishing] push_url: nothing to push to.")
    events = get_current_context()["triggering_asset_events"].get(CHAMPION) or ()
    told = [event.extra.get("generation") for event in events]
    return call("push", told[-1] if told else None)


@dag(
    schedule=[CHAMPION],
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
