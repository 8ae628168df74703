"""`recsys tune` as a user types it: a file of pairs, a shop's lake, and what is said of wrong input."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys import steps
from recsys.cli import build
from recsys.cli.tune import metric_of
from recsys.config import load
from recsys.errors import RecsysError, UsageError
from tests.cli.test_contest import tribes, write
from tests.test_steps import shop


def tune(*words: str) -> Any:
    return CliRunner().invoke(build(), ["tune", *words], catch_exceptions=False)


@pytest.fixture
def train(tmp_path: Path) -> str:
    return write(tmp_path / "train.csv", tribes()[0])


@pytest.mark.slow
def test_a_file_of_pairs_is_searched_and_the_fragment_enters_the_contest(tmp_path: Path, train: str) -> None:
    best, trail = tmp_path / "best.toml", tmp_path / "trail.json"
    words = ["--contenders", "item_neighbours,als", "--trials", "3", "--only", "half_life_days", "--metric", "recall@5"]
    told = tune(train, *words, "--out", str(best), "--json", str(trail))
    assert told.exit_code == 0
    assert "trial 0" in told.stderr
    assert "as it stands" in told.stderr
    assert set(tomllib.loads(best.read_text())["contenders"]) == {"item_neighbours", "als"}
    searches = json.loads(trail.read_text())["contenders"]
    assert [len(s["trials"]) for s in searches] == [3, 3]
    assert searches[0]["metric"] == "recall_at_5"
    assert searches[0]["value"] >= searches[0]["before"] > 0
    assert list(load(best).entered()) == ["item_neighbours", "als"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--contenders", "alz"], "Unknown contender 'alz'.*Did you mean 'als'"),
        (["--contenders", "complements"], "complements cannot be tuned"),
        (["--contenders", "als", "--only", "dimensions"], "'dimensions' to tune.*'dimension'"),
        (["--metric", "happiness@10"], "--metric; got happiness@10"),
        (["--metric", "ndcg"], "--metric; got ndcg"),
        (["--out", "/no/such/folder/best.toml"], "cannot be written"),
        (["--config", "/no/such.toml"], "No configuration"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_fit(train: str, words: list[str], said: str) -> None:
    with pytest.raises(RecsysError, match=said):
        tune(train, *words)


def test_a_metric_has_two_spellings() -> None:
    assert metric_of("ndcg@010") == metric_of("ndcg_at_10") == "ndcg_at_10"
    with pytest.raises(UsageError, match="ndcg@0"):
        metric_of("ndcg@0")


@pytest.mark.slow
def test_a_shop_is_searched_before_its_backtest_and_a_night_uses_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_NIGHT__TUNE_SECONDS", "4")
    params = shop(tmp_path)
    with pytest.raises(RecsysError, match="no orders"):
        tune("--config", params["config"], "--trials", "2")
    asked = {**params, "contenders": ["popularity", "popularity_28d", "item_neighbours"], "tune": True}
    assert steps.start_night(params)["tune"] is False  # off until asked for
    night = steps.prepare(steps.ingest({**steps.start_night(asked), "fit_seconds": 30.0}))
    plain = steps.prepare(steps.ingest(steps.start_night({**asked, "tune": False})))
    assert night["key"] != plain["key"]
    assert night["train"] == plain["train"]
    record = steps.backtest(night, "popularity_28d")
    assert record["tuning"]["value"] >= record["tuning"]["before"] > 0
    found = steps._open(night)[1].read_json(f"nights/{night['as_of']}/{night['key']}/tuning/popularity_28d.json")
    assert record["settings"]["window_days"] == found["settings"]["window_days"]
    assert steps.fit(night, "popularity_28d")["settings"] == record["settings"]
    assert "tuning" not in steps.backtest(night, "buy_again")  # nothing to search
    assert steps.backtest(plain, "popularity_28d")["settings"]["window_days"] == 28

    words = ["--config", params["config"], "--contenders", "popularity_28d", "--trials", "2"]
    told = tune(*words)
    assert "up to 2024-03-06" in told.stderr  # the backtest's 14 days are not touched
    assert "searches are in MLflow" in told.stderr
    assert tomllib.loads(told.stdout)["contenders"]["popularity_28d"]["family"] == "popularity"
