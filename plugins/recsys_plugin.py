"""The leaderboard inside Airflow: a tab in every run of the night and a page in the side bar.

Every Airflow process imports this file, so nothing is imported here but what Airflow has loaded anyway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from recsys_ui.nights import OnDemand

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]

PREFIX = "/recsys"
ICONS = {"icon": "recsys/static/icon.svg", "icon_dark_mode": "recsys/static/icon-dark.svg"}


async def leaderboard(scope: Scope, receive: Receive, send: Send) -> None:
    """The web application, built when it is first asked."""
    from recsys_ui.app import application

    await application()(scope, receive, send)


class RecsysPlugin(AirflowPlugin):
    """What Airflow's UI gains."""

    name = "recsys"
    fastapi_apps = [{"app": leaderboard, "url_prefix": PREFIX, "name": "recsys leaderboard"}]  # noqa: RUF012
    timetables = [OnDemand]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Leaderboard",
            "href": "recsys/run?dag_id={DAG_ID}&dag_run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "recsys_leaderboard",
            **ICONS,
        },
        {
            "name": "Champion",
            "href": "recsys/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "recsys",
            **ICONS,
        },
    ]
