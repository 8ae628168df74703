"""The first things read: the decision, the numbers beside it, the leaderboard and what was published."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from recsys.report.page import Page
from recsys.report.sections import decision, leaderboard, published
from tests.report import nights
from tests.report.markup import Element, read


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return nights.page(tmp_path)


def tiles(tree: Element) -> dict[str, str]:
    return {part.children[0].words(): part.children[1].words() for part in tree.all("dl")[0].children}


def test_reasons_numbers_and_power_are_told(page: Page) -> None:
    tree = read(str(decision.build(page)))
    assert [p.words() for p in tree.all("p") if p.attributes.get("class") == "lead"] == ["ease is the first champion."]
    told = tiles(tree)
    assert told["Champion, the first"] == "ease"
    assert told["Served as"] == "gen-000001"
    assert told["NDCG@2 [95%]"] == "0.100 [0.090, 0.112]"
    assert told["Orders"] == "7"
    assert "truly better by 5% with a chance of 42%, 10% with a chance of 90%." in tree.words()


def test_what_one_more_item_is_worth_stands_beside_the_decision(page: Page) -> None:
    goal = {"experiments": {"money": {"goal": {"uptake": 0.1, "sales": 70_216.4}}}}
    told = tiles(read(str(decision.build(dataclasses.replace(page, facts=goal)))))
    assert told["If 10 % of single-item orders took one more"] == "70,216 EUR of sales"


def test_notes_of_the_night_are_told(page: Page) -> None:
    noted = dataclasses.replace(
        page, night=nights.night(note="the data end 3 days before the day asked for"),
        facts={"registration": {"status": "spooled", "note": "MLflow was not reached."}},
    )  # fmt: skip
    text = read(str(decision.build(noted))).words()
    assert "Note: the data end 3 days before the day asked for." in text
    assert "MLflow was not reached." in text


def test_without_a_champion_nothing_is_claimed(tmp_path: Path) -> None:
    told = tiles(read(str(decision.build(nights.empty_page(tmp_path)))))
    assert told["Champion, no change"] == "none"
    assert told["Served as"] == "nothing new"
    assert "NDCG@2 [95%]" not in told


def test_the_leaderboard_marks_the_champion_and_gives_intervals(page: Page) -> None:
    tree = read(str(leaderboard.build(page)))
    rows = {line.children[0].words(): line for line in tree.all("table")[0].all("tr")}
    assert rows["ease"].attributes["class"] == "marked"
    assert "class" not in rows["popularity_28d"].attributes
    cells = [cell.words() for cell in rows["ease"].children[1:]]
    assert cells == ["0.1000 [0.0900, 0.1120]", "n/a", "0.2000 [0.1900, 0.2120]", "25.0 %", "1.2", "80"]
    assert [cell.words() for cell in tree.all("table")[1].all("tr")[1].children] == [
        "ease", "+0.0200", "+0.0100 to +0.0300", "20.0 %", "40", "0.0020",
    ]  # fmt: skip


def test_a_difference_without_an_interval_is_not_applicable(page: Page) -> None:
    unknown = {**page.decision["tests"][0], "low": None, "high": None}
    told = dataclasses.replace(page, decision={**page.decision, "tests": [unknown]})
    cells = [c.words() for c in read(str(leaderboard.build(told))).all("table")[1].all("tr")[1].children]
    assert cells[2] == "n/a"


def test_what_was_published_and_who_filled_the_places(page: Page) -> None:
    tree = read(str(published.build(page)))
    rows = {line.children[0].words(): [c.words() for c in line.children[1:]] for line in tree.all("tr")}
    assert rows["lists.parquet"] == ["what each customer and segment is shown next", "9"]
    assert rows["ease"] == ["75.00 %"]


def test_a_night_that_published_nothing_says_why(tmp_path: Path) -> None:
    assert read(str(published.build(nights.empty_page(tmp_path)))).words() == "No contender came to an end."
