"""What a contender's run carries: names, prefixes, intervals; n/a is left out."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recsys.tracking import runs
from recsys.tracking.connect import Book
from tests.tracking import world


def test_metric_names(tmp_path: Path) -> None:
    lake = world.lake_of(world.settings(tmp_path))
    found = runs.metrics_of(world.record(lake, "ease", 0.2), "new")
    assert found == {
        "fit_seconds": 1.5,
        "peak_memory_mb": 80.0,
        "ndcg_at_10": 0.2,
        "interval/ndcg_at_10_low": 0.19,
        "interval/ndcg_at_10_high": 0.22,
        "coverage_at_10": 0.5,
        "score_seconds": 0.1,
        "cold/ndcg_at_10": 0.1,
        "cold/n": 5.0,
        "repeats/ndcg_at_10": 0.4,
        "repeats/coverage_at_10": 0.5,
        "repeats/score_seconds": 0.1,
    }


def test_every_contender_has_the_same_names(tmp_path: Path) -> None:
    lake = world.lake_of(world.settings(tmp_path))
    one, other = world.record(lake, "ease", 0.2), world.record(lake, "als", 0.1)
    assert runs.metrics_of(one, "new").keys() == runs.metrics_of(other, "new").keys()


def test_a_failed_contender_has_a_run_without_metrics() -> None:
    assert runs.metrics_of(world.failed("lightfm_warp"), "new") == {}
    assert runs.params_of(world.night(), world.failed("x"))["family"] == "lightfm"


def test_epochs_keep_their_step_and_lose_what_is_no_number() -> None:
    told = [{"step": 0, "loss": 0.5, "nan": float("nan")}, {"step": 3, "loss": 0.25, "note": "x"}]
    assert list(runs._per_epoch(told)) == [("train/loss", 0.5, 0), ("train/loss", 0.25, 3)]


def test_names_mlflow_would_refuse() -> None:
    assert runs._name("train/loss (log)") == "train/loss _log_"


def test_tables_that_are_lost_are_named_on_the_run_and_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, tags = world.settings(tmp_path), {}
    lake = world.lake_of(one)
    ref = {"path": "nights/x/gone.parquet", "sha256": "0" * 64, "rows": 1}
    told: dict[str, Any] = {"night": world.night(), "decision": world.decision("ease", []), "published": {}}
    client = SimpleNamespace(
        search_runs=lambda *told, **more: [],
        create_run=lambda *told, **more: SimpleNamespace(info=SimpleNamespace(run_id="1")),
        set_tag=lambda run, key, value: tags.update({key: value}),
    )
    for name in ("log_batch", "log_inputs", "log_dict", "log_table", "log_figure", "set_terminated"):
        setattr(client, name, lambda *told, **more: None)
    book = Book(client, "", "0", "")
    with caplog.at_level(logging.WARNING):
        runs.log_summary(book, one, lake, told)
        assert (tags, caplog.text) == ({}, "")
        runs.log_summary(book, one, lake, {**told, "facts": {"demand": {"tables": {"elasticities": ref}}}})
    assert tags == {"facts_lost": "demand/elasticities"}
    assert "not in MLflow: demand/elasticities" in caplog.text


def test_the_leaderboard_has_a_row_for_everybody(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    rows = [world.record(world.lake_of(one), "ease", 0.2), world.failed("lightfm_warp")]
    columns = runs.leaderboard_columns(rows, one)
    assert columns["contender"] == ["ease", "lightfm_warp"]
    assert columns["ndcg_at_10"] == [0.2, None]
    assert columns["status"] == ["ok", "failed: ran out of memory"]
    assert len({len(column) for column in columns.values()}) == 1
