"""The run table as it opens: MLflow keeps a view's columns, order and grouping in a tag of the experiment."""

from __future__ import annotations

import json

from recsys.config import Settings

VIEW = "nights"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"  # what #/experiments/ID/runs?viewStateShareKey=nights reads


ABOUT = (
    "One run per contender and night, flat, so that a night's contenders can be ticked and compared; "
    "a summary run beside them holds the leaderboard. Metrics without a prefix are of the track that decides."
)


def experiment_tags(settings: Settings) -> dict[str, str]:
    """What an experiment is made with, whoever asks for it first: what it is, and how its table opens."""
    return {"mlflow.note.content": ABOUT, VIEW_TAG: stored_view(settings)}


def columns(settings: Settings) -> list[str]:
    """What contenders are compared by at a glance: the deciding metric, the other track, breadth and cost."""
    contest = settings.contest
    other = "repeats" if contest.track == "new" else "new"
    metrics = [contest.primary, f"{other}/{contest.primary}", f"coverage_at_{contest.at[0]}", "fit_seconds"]
    return ["tags.`role`", *(f"metrics.`{metric}`" for metric in metrics)]


def stored_view(settings: Settings) -> str:
    """The tag's value: newest night first, a night's contenders under it."""
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns(settings),
        "groupBy": {"aggregateFunction": "max", "groupByKeys": [{"mode": "tag", "groupByData": "night"}]},
        "viewMaximized": False,
        "runListHidden": False,
    }
    return json.dumps(state)
