"""Who may be champion at all: training time and calibration, as the books of a night give them to the gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.config import Contest, Settings
from recsys.contest import night as books
from recsys.contest.challenge import Pooled
from recsys.contest.decide import Standing, decide
from recsys.contest.gates import Candidate, gates_of
from recsys.data.lake import Lake
from recsys.evaluation.scorecard import Scorecard

VALUES = np.random.default_rng(3).random(1500)


def candidate(name: str, **more: Any) -> Candidate:
    return Candidate(name, "als", "ok", values=VALUES, **more)


@pytest.mark.parametrize(
    ("ours", "theirs", "most", "fails"),
    [
        (4001.0, 400.0, 10.0, True),
        (3999.0, 400.0, 10.0, False),
        (599.0, 0.1, 10.0, False),  # next to popularity everything is slow: its fit counts as a minute
        (601.0, 0.1, 10.0, True),
        (601.0, 0.1, 20.0, False),
        (None, 0.1, 10.0, False),
        (9999.0, None, 10.0, False),
    ],
)
def test_a_fit_that_takes_many_times_the_champions_is_barred(
    ours: float | None, theirs: float | None, most: float, fails: bool
) -> None:
    champion, slow = candidate("a", training_seconds=theirs), candidate("b", training_seconds=ours)
    found = gates_of(slow, champion, Contest(most_training=most))
    assert bool(found["failed"]) == fails
    assert found["training_seconds"] == ours
    assert not gates_of(slow, None, Contest())["failed"]  # nobody to compare with
    assert not gates_of(slow, slow, Contest())["failed"]  # the champion is not barred by itself
    if fails:
        assert found["failed"][0].startswith(f"trains for {ours:,.0f} CPU seconds, the champion for")


@pytest.mark.parametrize(
    ("ours", "theirs", "fails"),
    [(0.051, 0.01, True), (0.049, 0.01, False), (0.07, 0.08, False), (None, 0.01, False), (0.5, None, False)],
)
def test_chances_that_are_off_are_barred(ours: float | None, theirs: float | None, fails: bool) -> None:
    champion, off = candidate("a", calibration_error=theirs), candidate("b", calibration_error=ours)
    found = gates_of(off, champion, Contest())["failed"]
    assert bool(found) == fails
    if fails:
        assert found == ["is off by 5.1% in how often its places are bought (ECE), the champion by 1.0%"]


def test_who_is_better_but_trains_too_long_is_not_promoted() -> None:
    evidence = Pooled({"a": VALUES, "b": VALUES + 0.2}, {}, np.arange(len(VALUES)), ("n",))
    field = [candidate("a", training_seconds=5.0), candidate("b", training_seconds=5000.0)]
    barred = decide(field, evidence, Standing("a", 30), Contest())
    assert (barred.champion, barred.gates["b"]["failed"][0][:10]) == ("a", "trains for")
    assert decide(field, evidence, Standing("a", 30), Contest(most_training=100.0)).champion == "b"


def test_the_gates_read_the_backtests_record(tmp_path: Path) -> None:
    lake, flags = Lake(str(tmp_path)), np.ones(3, dtype=bool)
    whole = {"coverage_at_20": 0.5, "calibration_error": 0.02}
    card = Scorecard("b", "new", {"ndcg_at_10": np.ones(3)}, whole, np.arange(3), {"warm": flags, "cold": ~flags})
    record = {"name": "b", "status": "ok", "cards": {"new": lake.put_value("card", card).json()}}
    found = books.candidate(lake, record | {"fit_cpu_seconds": 71.5}, Settings())
    assert (found.training_seconds, found.calibration_error, found.coverage) == (71.5, 0.02, 0.5)
