from pathlib import Path

import polars as pl

from recsys.report.page import Page, render
from recsys.report.sections.assortment import build
from tests.report import nights

SEGMENT = {
    "segment": "north", "orders": 120, "products": 5, "model": "mnl", "source": "calibrated probabilities of ease",
    "objective": "revenue", "value": 1.25, "value_today": 1.0, "bound": 1.25, "gap": 0.0, "status": "optimal",
    "buyers": 0.3, "keep": 1, "add": 1, "drop": 1, "notes": [],
    "binding": [{"rule": "at most 2 products", "cost": 0.5, "exact": True}],
}  # fmt: skip


def night(root: Path) -> Page:
    page = nights.page(root)
    rows = [("north", "a1", "keep", 0.5, 0.1, 0.2, 0.1, 0.0, "earns", "x"),
            ("north", "b1", "add", 0.4, 0.0, 0.1, 0.1, 0.0, nights.EVIL, "x"),
            ("north", "b2", "drop", -0.1, 0.2, 0.0, -0.2, 0.0, "its buyers earn more", "x")]  # fmt: skip
    names = ["segment", "product", "action", "value", "share_before", "share_after", "share_change", "gap", "reason",
             "source"]  # fmt: skip
    ref = page.lake.put_frame("nights/a/assortment.parquet", pl.DataFrame(rows, schema=names, orient="row"))
    facts = {
        "status": "ok", "reason": "1 segments planned.", "size": 2, "segments": [SEGMENT],
        "skipped": [{"segment": "south", "orders": 3, "reason": "3 orders, too few"}],
        "tables": {"assortment": ref.json()},
        "calibration": {"customers": 400, "days": 28, "log_likelihood": -5.26, "ece": 0.153},
    }  # fmt: skip
    return Page(page.settings, page.lake, page.night, [], page.decision, page.published, {"assortment": facts})


def test_each_segment_shows_what_to_add_drop_and_keep_and_what_that_is_worth(tmp_path: Path) -> None:
    html = render(night(tmp_path))
    for words in ("To add: 1 of 1", "To drop: 1 of 1", "To keep: 1 of 1", "1.250", "calibrated probabilities of ease",
                  "at most 2 products: costs 0.5000", "20.00 % to 0.00 %", "3 orders, too few", "Bert&#39;s top",
                  "EUR per customer", "Products of north",
                  "15.3 % of purchases were expected in the wrong tenth"):  # fmt: skip
        assert words in html, words
    assert nights.EVIL not in html
    assert "could not be built" not in html


def test_without_a_plan_the_reason_stands_there_or_nothing(tmp_path: Path) -> None:
    page = nights.page(tmp_path, assortment={"status": "failed", "reason": "the champion has no scorer"})
    assert "the champion has no scorer" in str(build(page))
    assert build(Page(page.settings, page.lake, page.night, [], page.decision, page.published, {})) is None
