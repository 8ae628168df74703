from __future__ import annotations

from typing import Any

from recsys.config import parse
from recsys.data.lake import Lake
from recsys.report.page import Page
from recsys.report.sections.cost import build
from tests.report.nights import metric


def page(*rows: dict[str, Any]) -> Page:
    return Page(parse({}), Lake("/nowhere"), {}, [], {"leaderboard": list(rows)}, {}, {})


def row(name: str, seconds: float, mean: float, status: str = "ok") -> dict[str, Any]:
    tracks = {"new": {"metrics": {"ndcg_at_10": metric(mean)}, "whole": {"score_seconds": 7.25}}}
    return {"name": name, "status": status, "fit_seconds": seconds, "peak_memory_mb": 1234.0, "tracks": tracks}


def test_the_front_is_named_marked_and_listed() -> None:
    told = build(page(row("slow", 90, 0.4), row("waste", 50, 0.3), row("good", 0, 0.39), row("lost", 1, 0.9, "failed")))
    assert told is not None
    assert "better than good, slow: the filled points" in told
    assert told.count('class="marked"') == 4  # two points, two rows
    assert "lost" not in told
    assert "The others cost more for less" in told
    assert "90.00" in told
    assert "7.25" in told
    assert "1,234" in told


def test_where_all_are_on_the_front_nobody_is_said_to_cost_more_for_less() -> None:
    told = build(page(row("slow", 90, 0.4), row("quick", 1, 0.3)))
    assert told is not None
    assert "The others" not in told


def test_one_contender_is_no_comparison() -> None:
    assert build(page(row("alone", 1, 0.1))) is None
    assert build(page()) is None
