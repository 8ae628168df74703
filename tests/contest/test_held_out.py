"""What a leaderboard does not need may break without losing the contender's backtest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys.config import parse
from recsys.contest import held_out
from recsys.contract import Run
from recsys.data.lake import Lake
from recsys.models import catalog
from recsys.scorers.store import scorer_bytes
from tests import worlds
from tests.contest.chance_world import held_out as held_days


def test_segments_and_sellers_that_break_leave_the_scorecards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, data = Lake(str(tmp_path)), worlds.checkerboard(40, 12)
    fitted = catalog.build("item_neighbours", {}).fit(data, Run()).scorer
    record = {"name": "item_neighbours", "scorer": lake.put_new("s", scorer_bytes(fitted)).json()}
    held = held_days(data, [c for c in range(40) if c % 3])
    night = {"as_of": "2024-01-01", "key": "a", "seed": 0, "train": lake.put_value("t", data).json(),
             "held": lake.put_value("h", held).json()}  # fmt: skip
    settings = parse({"contest": {"track": "repeats", "draws": 100}})
    whole = held_out.judge_fitted(settings, lake, night, record)
    assert "lost" not in whole
    assert whole["segments"]
    told = whole["tracks"]["repeats"]["whole"]
    assert 0.5 < told["auc"] <= 1
    assert 0 <= told["gini_at_10"] < 1
    assert told["repeated_lists"] == 0
    assert {"serendipity_at_10", "serendipity_at_20"} <= told.keys()

    def broken(*_: Any) -> Any:
        raise IndexError("a market nobody thought of")

    monkeypatch.setattr(held_out, "segments_of", broken)
    monkeypatch.setattr(held_out, "sellers_shown", broken)
    found = held_out.judge_fitted(settings, lake, {**night, "key": "b"}, record)
    assert found["tracks"]["repeats"]["metrics"] == whole["tracks"]["repeats"]["metrics"]
    assert set(found["cards"]) == set(whole["cards"])
    assert (found["segments"], found["sellers"]) == ([], {})
    assert set(found["lost"]) == {"segments", "sellers"}
    assert "a market nobody thought of" in found["lost"]["segments"]
