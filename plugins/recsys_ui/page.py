"""How the leaderboard looks: values in, HTML out, everything escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recsys.config import Settings
from recsys.report.tables import metric_name
from recsys_ui.books import SHOWN, Board, Shop

ACTIONS = {
    "first": "first champion",
    "promote": "new champion",
    "keep": "champion stays",
    "none": "nothing published",
}


def render(settings: Settings, shop: Shop, board: Board | None, run: str, *, token: str, version: str) -> str:
    """The page of one night. run: the DAG run it is shown in, empty in the side bar.

    token: of the rollback form, empty without the right to it; version: what MLflow calls the generation being served.
    """
    links = {
        "report": "report?" + urlencode({"as_of": board.as_of, "key": board.key}) if board else "",
        "mlflow": "mlflow?" + urlencode({"key": board.key}) if board else "mlflow",
        "version": "mlflow?" + urlencode({"version": version}),
    }
    made_by = str(board.entry.manifest.get("run", "")) if board and board.entry else ""
    by_airflow = "__" in made_by  # manual__..., scheduled__...; `recsys run` names its nights manual-...
    text: str = (
        _environment()
        .get_template("page.html")
        .render(
            shop=shop,
            name=settings.shop.name,
            board=board,
            run=run,
            token=token,
            links=links,
            metric=metric_name(settings.contest.primary),
            version=version,
            level=settings.contest.level,
            entries=shop.entries[:SHOWN],
            action=ACTIONS.get(str((board.decision if board else {}).get("action")), ""),
            run_page=f"../dags/nightly_retraining/runs/{quote(made_by)}" if by_airflow and made_by != run else "",
        )
    )
    return text


def render_message(title: str, text: str) -> str:
    """A page with one sentence."""
    page: str = _environment().get_template("message.html").render(title=title, text=text)
    return page


@cache
def _environment() -> Any:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
