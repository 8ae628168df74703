"""The model card says what it is, its data, its metrics by group, its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys.tracking.card import LONGEST, described, model_card
from tests.tracking import world


def manifest(**more: Any) -> dict[str, Any]:
    return {"number": 7, "champion": "ease", "rungs": {"ease": 0.9, "popular lately": 0.1, "empty": 0.0}, **more}


def test_a_card_in_four_parts(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    record = world.record(world.lake_of(one), "ease", 0.2)
    card = model_card(one, world.night(), record, world.decision("ease", [record]), manifest())
    assert [line for line in card.splitlines() if line.startswith("#")] == [
        "# ease, generation gen-000007",
        "## Data",
        "## Metrics",
        "## Limits",
    ]
    assert "ease is best." in card
    assert "up to 2011-12-08: 2 customers, 3 products." in card
    assert "| ndcg_at_10 | 0.2000 | 0.1900 | 0.2200 |" in card
    assert "hit_at_10" not in card  # it has no value
    assert "| cold | 5 | 0.1000 |" in card
    assert "not filled by the champion itself: popular lately 10.0%." in card
    assert "nights old" not in card


def test_a_champion_without_a_backtest_says_so(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    told = world.decision("lightfm_warp", [])
    card = model_card(one, world.night(), world.failed("lightfm_warp"), told, manifest(scorer_age_nights=3))
    assert "No backtest tonight (ran out of memory)" in card
    assert "The scorer is 3 nights old" in card


def test_a_description_is_not_too_long_for_the_registry() -> None:
    assert described("short") == "short"
    long = described("a line of the card\n" * 1000)
    assert len(long) <= LONGEST
    assert long.endswith("The whole card: card.md.")
