"""Nights lived one after another in a root of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys import publication
from recsys.data.lake import Lake
from recsys.errors import UsageError
from recsys.replay import replay, verdict
from tests.test_steps import shop

FEW = ["popularity_28d", "item_neighbours"]


def live(root: Path, nights: int) -> list[dict[str, Any]]:
    params = {"config": str(root / "recsys.toml"), "contenders": FEW}
    return list(replay(params, nights, backtest_every=28, tell=lambda night, text: None))


@pytest.mark.slow
def test_each_night_knows_what_it_could_have_known_and_what_is_served_is_not_touched(tmp_path: Path) -> None:
    shop(tmp_path)
    rows = live(tmp_path, 3)
    assert [row["night"] for row in rows] == ["2024-03-18", "2024-03-19", "2024-03-20"]
    assert [row["action"] for row in rows] == ["first", "keep", "keep"]
    assert [row["generation"] for row in rows] == ["gen-000001", "gen-000002", "gen-000003"]
    assert rows[0]["evidence_customers"] == 0 < rows[1]["evidence_customers"] < rows[2]["evidence_customers"]
    assert publication.standing(Lake(str(tmp_path / "runtime" / "lake"))).number == 0
    again = live(tmp_path, 3)
    assert [(row["night"], row["champion"], row["generation"]) for row in again] == [
        (row["night"], row["champion"], row["generation"]) for row in rows
    ]
    more = live(tmp_path, 4)  # another question, another root
    assert (more[0]["night"], more[0]["action"], more[0]["generation"]) == ("2024-03-17", "first", "gen-000001")


def test_more_nights_than_there_are(tmp_path: Path) -> None:
    shop(tmp_path)
    with pytest.raises(UsageError, match="fewer than the 80 days"):
        live(tmp_path, 400)


def test_the_verdict_counts_promotions_and_flips() -> None:
    rows = [
        {"action": "first", "best_of_night": "a"},
        {"action": "keep", "best_of_night": "b"},
        {"action": "promote", "best_of_night": None},
        {"action": "keep", "best_of_night": "a"},
    ]
    assert verdict(rows) == (
        "4 nights: 1 promotions by the rule; crowning the best of each night's orders would have changed the champion "
        "2 times."
    )
