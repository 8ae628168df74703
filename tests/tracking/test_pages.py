"""Addresses in MLflow's UI: made with short requests, by the public address, and never in the way of a fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from recsys.config import Settings
from recsys.tracking import pages
from recsys.tracking.view import VIEW_TAG, columns, experiment_tags, stored_view
from tests.tracking import world


class Server:
    """MLflow's REST API as far as a button needs it."""

    def __init__(self, experiment: str | None = "7", run: str | None = None) -> None:
        self.experiment, self.run = experiment, run
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, method: str, url: str, **told: Any) -> httpx.Response:
        path = url.split("/api/2.0/mlflow/")[1]
        self.asked.append((path, told["json"] or told["params"]))
        status, answer = self._answer(path)
        return httpx.Response(status, json=answer, request=httpx.Request(method, url))

    def _answer(self, path: str) -> tuple[int, Any]:
        if path == "experiments/get-by-name":
            known = {"experiment": {"experiment_id": self.experiment}}
            return (200, known) if self.experiment else (404, {})
        if path == "runs/search":
            return 200, {"runs": [{"info": {"run_id": self.run}}] if self.run else []}
        answers = {
            "experiments/create": {"experiment_id": "8"},
            "runs/create": {"run": {"info": {"run_id": "new"}}},
        }
        return 200, answers[path]


@pytest.fixture
def one(tmp_path: Path) -> Settings:
    tree = world.settings(tmp_path, "http://mlflow:5000").model_dump()
    tree["tracking"]["public_url"] = "https://shop.example/mlflow/"
    return Settings.model_validate(tree)


def serve(monkeypatch: Any, server: Any) -> Any:
    monkeypatch.setattr(pages.httpx, "request", server)
    return server


def test_a_run_is_opened_while_its_contender_trains(one: Settings, monkeypatch: Any) -> None:
    server = serve(monkeypatch, Server())
    page = pages.training_page(one, world.night(), "ease")
    assert page == "https://shop.example/mlflow/#/experiments/7/runs/new"
    path, body = server.asked[-1]
    tags = {tag["key"]: tag["value"] for tag in body["tags"]}
    assert (path, body["experiment_id"], body["run_name"]) == ("runs/create", "7", "ease")
    assert (tags["night_key"], tags["contender"], tags["status"]) == ("key8", "ease", "training")


def test_a_second_try_finds_the_same_run(one: Settings, monkeypatch: Any) -> None:
    server = serve(monkeypatch, Server(run="known"))
    assert pages.training_page(one, world.night(), "ease").endswith("/runs/known")
    assert "runs/create" not in [path for path, _ in server.asked]


def test_the_first_night_makes_the_experiment_with_its_words_and_its_view(one: Settings, monkeypatch: Any) -> None:
    server = serve(monkeypatch, Server(experiment=None))
    assert "/experiments/8/runs/new" in pages.training_page(one, world.night(), "ease")
    told = {tag["key"]: tag["value"] for tag in dict(server.asked)["experiments/create"]["tags"]}
    assert told == experiment_tags(one)
    assert told[VIEW_TAG] == stored_view(one)
    assert "One run per contender and night" in told["mlflow.note.content"]


def test_tables_of_a_night_and_of_a_contender(one: Settings, monkeypatch: Any) -> None:
    serve(monkeypatch, Server())
    assert pages.table_page(one).endswith("/#/experiments/7/runs?viewStateShareKey=nights")
    night = unquote(pages.night_page(one, "key8"))
    assert "searchFilter=tags.night_key = 'key8'&orderByKey=metrics.`ndcg_at_10`&orderByAsc=false" in night
    assert "tags.contender = 'ease'" in unquote(pages.contender_page(one, "ease"))
    hostile = unquote(pages.night_page(one, "x' or tags.a = 'b"))
    assert hostile.count("'") == 2


def test_a_server_that_is_away_leaves_its_front_page(one: Settings, monkeypatch: Any) -> None:
    def dead(*told: Any, **more: Any) -> Any:
        raise httpx.ConnectError("refused")

    serve(monkeypatch, dead)
    assert pages.training_page(one, world.night(), "ease") == "https://shop.example/mlflow"
    assert pages.night_page(one, "key8") == "https://shop.example/mlflow"


def test_no_address_no_button(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    assert pages.training_page(one, world.night(), "ease") == ""
    assert pages.night_page(one, "key8") == ""


def test_the_view_shows_the_deciding_metric(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    state = json.loads(stored_view(one))
    assert state["selectedColumns"] == columns(one)
    assert "metrics.`ndcg_at_10`" in columns(one)
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "night"}]
