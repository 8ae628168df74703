"""What changed: counted by hand over two generations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from recsys.report.page import Page
from recsys.report.sections.changes import build, overlap
from tests.report import nights
from tests.report.markup import read


def lists(told: dict[str, list[str]]) -> pl.DataFrame:
    return nights.lists_table(told)


def test_overlap_counts_places_kept_and_first_places() -> None:
    old = lists({"u1": ["a", "b", "c"], "u2": ["d", "e", "f"], "gone": ["a", "b", "c"]})
    new = lists({"u1": ["b", "a", "x"], "u2": ["d", "y", "e"], "new": ["a", "b", "c"]})
    found = overlap(old, new, 2)
    assert found is not None
    assert found.customers == 2
    assert found.kept == pytest.approx((2 / 2 + 1 / 2) / 2)
    assert found.same_first == pytest.approx(1 / 2)
    assert overlap(old, lists({"new": ["a"]}), 2) is None


def test_the_first_night_has_nothing_to_compare(tmp_path: Path) -> None:
    assert build(nights.page(tmp_path)) is None


@pytest.fixture
def second(tmp_path: Path) -> Page:
    settings, lake = nights.shop(tmp_path)
    before = nights.decision([nights.row("ease", 0.1), nights.row("als", 0.05)])
    nights.publish(lake, 0, "2024-03-09", before, {"u1": ["b2", "a1", "c1"], "u9": ["a1"]}, without=["c1"])
    told = {**nights.decision([nights.row("ease", 0.125), nights.row("new", 0.07)]), "champion": "new"}
    return Page(settings, lake, nights.night(), [], told, nights.publish(lake, 1, nights.AS_OF, told), {})


def test_champion_metrics_lists_and_catalogue_are_compared(second: Page) -> None:
    tree = read(build(second))
    text = tree.words()
    assert "Since gen-000001, the night of 2024-03-09" in text
    assert "new followed ease as champion" in text
    rows = {line.children[0].words(): [c.words() for c in line.children[1:]] for line in tree.all("tr")}
    assert rows["ease"] == ["0.1250", "0.1000", "+0.0250"]
    assert "50.0 % hold what they held then; 100.0 % of customers see the same product first (n = 1" in text
    assert ["1", "Cleo's ball"] in [[c.words() for c in line.children[1:]] for line in tree.all("tr")]


def test_without_a_publication_the_last_generation_is_still_compared(second: Page) -> None:
    nothing = {**second.published, "generation": None, "current": False}
    html = build(dataclasses.replace(second, published=nothing))
    assert html is not None
    assert "Since gen-000002" in html
