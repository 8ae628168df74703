"""The MLflow button of a training task: it leads to the contender's run and works while the contender trains."""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseOperatorLink
from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from recsys.config import load

log = logging.getLogger(__name__)


class MLflowButton(BaseOperatorLink):
    """The button; Airflow keeps its address as an XCom of the task."""

    name = "MLflow"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """What the task found when it began: Airflow asks again when it ends."""
        return str(getattr(operator, "page", ""))


class Training(DecoratedOperator, PythonOperator):
    """A Python task with the button. Called with night and contender by keyword."""

    operator_extra_links = (MLflowButton(),)
    custom_operator_name = "@training"

    def __init__(self, *, python_callable: Any, op_args: Any, op_kwargs: Any, **kwargs: Any) -> None:
        given = {"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs}
        super().__init__(kwargs_to_upstream=given, **given, **kwargs)

    def execute(self, context: Any) -> Any:
        """Put the button's address up first, then train."""
        self.page = _page(self.op_kwargs["night"], self.op_kwargs["contender"])
        context["task_instance"].xcom_push(MLflowButton().xcom_key, self.page)
        return super().execute(context)


def training(**kwargs: Any) -> Any:
    """The decorator of tasks that train."""

    def decorate(function: Any) -> Any:
        return task_decorator_factory(function, decorated_operator_class=Training, **kwargs)

    return decorate


def _page(night: dict[str, Any], contender: str) -> str:
    """ "" when MLflow has no address; whatever goes wrong with a button, the contender trains."""
    try:
        from recsys.tracking.pages import training_page

        return training_page(load(night.get("config")), night, contender)
    except Exception:
        log.warning("No MLflow button for %s", contender, exc_info=True)
        return ""
