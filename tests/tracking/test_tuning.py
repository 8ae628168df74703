"""A search as an MLflow run, in a store of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recsys.config import parse
from recsys.tracking.connect import Book, open_book
from recsys.tracking.tuning import _log, log_searches

SEARCH = {
    "name": "als", "family": "als", "metric": "ndcg_at_10", "settings": {"dimension": 32}, "value": 0.3, "before": 0.2,
    "seed": 4, "fragment": "[contenders.als]\n",
    "trials": [{"number": 0, "value": 0.2}, {"number": 1, "value": None}, {"number": 2, "value": 0.3}],
}  # fmt: skip


@pytest.mark.slow
def test_a_search_is_a_run_with_a_step_per_trial(tmp_path: Path) -> None:
    settings = parse({"folder": str(tmp_path), "shop": {"name": "small"}})
    assert "1 searches are in MLflow" in log_searches(settings, [SEARCH], "small up to 2024-03-06")
    book = open_book(settings)
    (run,) = book.client.search_runs([book.experiment], "tags.kind = 'tuning'")
    assert run.data.params == {"family": "als", "seed": "4", "dimension": "32"}
    assert run.data.metrics["best/ndcg_at_10"] == 0.3
    assert run.data.metrics["before/ndcg_at_10"] == 0.2
    steps = book.client.get_metric_history(run.info.run_id, "validation/ndcg_at_10")
    assert [(m.step, m.value) for m in steps] == [(0, 0.2), (2, 0.3)]
    assert {f.path for f in book.client.list_artifacts(run.info.run_id)} == {"trials.json", "best.toml"}


def test_a_long_search_is_told_whole() -> None:
    """The server takes a thousand metrics a request."""
    sent: list[list[Any]] = []
    client = SimpleNamespace(
        create_run=lambda *told, **more: SimpleNamespace(info=SimpleNamespace(run_id="1")),
        log_batch=lambda run, metrics, params=(): sent.append(metrics),
        log_dict=print, log_text=print, set_terminated=print,
    )  # fmt: skip
    trials = [{"number": i, "value": i / 1200} for i in range(1200)]
    _log(Book(client, "", "0", ""), {**SEARCH, "trials": trials}, "small")
    told = {(m.key, m.step): m.value for metrics in sent for m in metrics}
    assert max(map(len, sent)) <= 1000
    assert len(told) == 1200 + 3
    assert (told["best/ndcg_at_10", 0], told["before/ndcg_at_10", 0], told["trials", 0]) == (0.3, 0.2, 1200)
    assert told["validation/ndcg_at_10", 1199] == 1199 / 1200


def test_mlflow_away_is_a_sentence(tmp_path: Path) -> None:
    settings = parse({"folder": str(tmp_path), "tracking": {"url": "http://127.0.0.1:9"}})
    assert "was not reached; the settings are above" in log_searches(settings, [SEARCH], "x")
