"""The data section: rows are accounted for, the newest file first, older ones folded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys.report.sections import data as section
from tests.report import nights
from tests.report.markup import read


def report(name: str, **more: Any) -> dict[str, Any]:
    told = {
        "name": f"/shop/{name}", "table": "orders", "rows_in": 100, "accepted": 90, "first_day": 19_783, "guests": 9,
        "last_day": 19_792, "late": 2, "kinds": {"sale": 80, "return": 6, "non_product": 4},
        "quarantined": {"bad_price": 7, "duplicate": 3}, "warnings": {},
    }  # fmt: skip
    return told | more


def built(tmp_path: Path, reports: list[dict[str, Any]]):
    page = nights.empty_page(tmp_path)
    for path in list(page.lake.paths("ingests")):
        (Path(page.lake.root) / path).unlink()
    for number, told in enumerate(reports):
        page.lake.put_json(f"ingests/orders-{number}.json", {"report": told, "number": number})
    html = section.build(page)
    return None if html is None else read(html)


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    tree = built(tmp_path, [report("a.csv"), report("b.csv", rows_in=50, accepted=50, quarantined={}, late=0)])
    assert tree is not None
    assert "10 of 150 rows (6.67 %) were kept apart" in tree.words()
    rows = [[cell.words() for cell in line.children] for line in tree.all("tr")[1:]]
    assert rows == [
        ["b.csv", "50", "50", "0", "none", "none"],
        ["a.csv", "100", "90", "10", "bad price 7, duplicate 3", "none"],
    ]
    tiles = {part.children[0].words(): part.children[1].words() for part in tree.all("dl")[0].children}
    assert tiles["Order lines from"] == "2024-03-01 to 2024-03-10"
    assert tiles["Lines of guests"] == "10.0 %"
    assert tiles["Lines that came late"] == "2"


def test_many_files_are_folded_and_none_is_lost(tmp_path: Path) -> None:
    tree = built(tmp_path, [report(f"day-{i:02d}.csv") for i in range(30)])
    assert tree is not None
    names = [line.children[0].words() for line in tree.all("tr") if line.children[0].words() != "File"]
    assert names == [f"day-{i:02d}.csv" for i in reversed(range(30))]
    assert tree.all("summary")[0].words() == f"{30 - section.SHOWN} older files"


def test_an_empty_lake_has_no_section(tmp_path: Path) -> None:
    assert built(tmp_path, []) is None


def test_returns_that_found_no_purchase_are_counted(tmp_path: Path) -> None:
    page = nights.empty_page(tmp_path)
    page.lake.put_json("ingests/orders-0.json", {"report": report("a.csv"), "number": 0})
    returns = {"lines": 9998, "unmatched_lines": 2605, "unmatched_units": 228010.0, "guest_lines": 1498}
    html = section.build(replace(page, night={**page.night, "returns": returns}))
    assert html is not None
    words = read(html).words()
    assert "Of 9,998 return lines 7,393 were taken off the purchase they belong to." in words
    assert "2,605 (228,010 units) found none, 1,498 of them guests'." in words
