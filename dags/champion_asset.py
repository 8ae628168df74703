"""The asset that says: new lists are served."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from recsys.config import Settings


def champion(settings: Settings) -> Asset:
    """One per shop; its events carry the publication."""
    return Asset(f"champion_{settings.shop.name}", uri=f"recsys://{settings.shop.name}/champion")


def announce(settings: Settings, publication: Any) -> None:
    """Tell followers that new lists are served; a re-run or a backfill of a past day tells nobody."""
    asset = champion(settings)

    @task(task_id="announce", outlets=[asset])
    def tell(publication: dict[str, Any]) -> None:
        if not publication.get("current"):
            raise AirflowSkipException("What is served did not change.")
        get_current_context()["outlet_events"][asset].extra = publication

    tell(publication)
