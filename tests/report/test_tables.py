"""Numbers, tables and words: escaped, with n/a where nothing is known."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from recsys.report.tables import Column, interval, join, metric_name, money, number, paragraph, share, table, tiles
from tests.report.markup import read


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (number(0.09819), "0.0982"), (number(1234.5, 1), "1,234.5"), (number(0.01, 2, sign=True), "+0.01"),
        (number(None), "n/a"), (number(float("nan")), "n/a"), (share(0.1234), "12.3 %"), (share(None), "n/a"),
        (money(1234.4, "GBP"), "1,234 GBP"), (interval(0.5, 0.25, 0.75, 2), "0.50 [0.25, 0.75]"),
        (metric_name("ndcg_at_10"), "NDCG@10"), (metric_name("any_hit_at_5"), "any hit@5"), (metric_name("x"), "x"),
        (interval(0.5, None, None, 2), "0.50 [n/a]"), (interval(None, 0.1, 0.2), "n/a"),
    ],
)  # fmt: skip
def test_numbers(told: str, text: str) -> None:
    assert told == text


def test_a_table_names_its_rows_and_marks_the_champion() -> None:
    tree = read(
        table("Two <rows>", ["Who", Column("Why", words=True, tip="in words")], [("a&b", None), ("c", 3)], mark=[1])
    )
    rows = tree.all("tr")
    assert [cell.words() for cell in rows[0].children] == ["Who", "Whyin words"]
    assert [cell.words() for cell in rows[1].children] == ["a&b", "n/a"]
    assert [cell.tag for cell in rows[2].children] == ["th", "td"]
    assert rows[2].attributes["class"] == "marked"
    assert tree.all("caption")[0].words() == "Two <rows>"


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        table("x", ["a", "b"], [(1, 2, 3)])


def test_only_markup_is_html() -> None:
    assert join("<i>", None, Markup("<b>x</b>")) == "&lt;i&gt;<b>x</b>"
    assert paragraph("<i>", "lead") == '<p class="lead">&lt;i&gt;</p>'
    assert "&lt;i&gt;" in tiles([("<i>", 1)])
