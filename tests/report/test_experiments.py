"""What visitors said: the level of every interval, and whose fault a missing reading is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.report.sections import money
from recsys.report.sections.experiments import build
from tests.report import nights
from tests.report.markup import read


def told(path: Path, **parts: Any) -> str:
    """The section of a night with these facts."""
    page = nights.page(path, experiments={"status": "ok", **parts})
    return read(str(build(page))).words()


def test_intervals_of_a_test_of_three_arms_have_the_level_of_its_reading(tmp_path: Path) -> None:
    page = nights.page(tmp_path)
    rows = [
        {"test": "home", "metric": "response", "arm": arm, "control": 0.1, "treatment": 0.2, "difference": 0.1,
         "low": 0.05, "high": 0.15, "p": 0.01, "p_any_time": 0.02}
        for arm in ("als", "ease")
    ]  # fmt: skip
    reading = {
        "status": "ok", "reasons": [], "metric": "response", "level": 0.975,
        "arms": [{"name": arm, "visitors": 600} for arm in ("popularity", "als", "ease")],
        "verdict": {"winner": "ease", "rule": "fixed horizon", "reasons": ["it is better"]},
    }  # fmt: skip
    table = page.lake.put_frame("tests.parquet", pl.DataFrame(rows)).json()
    page.facts["experiments"] = {"status": "ok", "tests": {"status": "ok", "read": {"home": reading}},
                                 "tables": {"tests": table}}  # type: ignore[index]  # fmt: skip
    text = read(str(build(page))).words()
    assert "Difference [97.5\u00a0%]" in text
    assert "lines are 97.5\u00a0% intervals" in text
    assert "95\u00a0%" not in text


def test_a_failure_is_not_blamed_on_the_columns(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert told(tmp_path / "a", status="failed", reason="MemoryError: too much.") == "MemoryError: too much."
    (tmp_path / "b").mkdir()
    assert "docs/evidence.md says which columns" in told(tmp_path / "b", reason="No exposures were handed over.")


def test_the_power_of_the_margin_is_told_with_the_bounds_it_was_chosen_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"power": 0.25, "relevance": 0.98, "revenue": 1.5, "revenue_share": 1.1, "price_shift": 0.02}]
    page = nights.page(tmp_path)
    table = page.lake.put_frame("frontier.parquet", pl.DataFrame(rows)).json()
    found = {"status": "ok", "contender": "ease", "k": 2, "power": 0.25, "calibration_error": 0.001}
    facts = {"money": {"status": "refused", "reason": ""}, "frontier": found, "tables": {"frontier": table}}
    page.facts["experiments"] = facts  # type: ignore[index]
    assert "Within 3 % of relevance and 5 percentiles of price b = 0.25 earns most" in str(money.build(page))
    monkeypatch.setattr(money, "LEAST_RELEVANCE", 0.9)
    assert "Within 10 % of relevance" in str(money.build(page))
