"""Figures: marks where the numbers say, words for those who cannot see them."""

from __future__ import annotations

import pytest

from recsys.report.figures import LEFT, RIGHT, Mark, Point, bars, intervals, lines, scatter
from tests.report.markup import read


def percent(text: str) -> float:
    return float(text.removesuffix("%"))


def test_a_mark_lies_where_its_value_is_between_zero_and_the_largest_end() -> None:
    svg = read(marks("n = 7 customers"))
    at = [percent(c.attributes["cx"]) for c in svg.all("circle")]
    assert at == pytest.approx([(LEFT + RIGHT) / 2, LEFT + (RIGHT - LEFT) / 4])
    whiskers = [e for e in svg.all("line") if "whisker" in e.attributes["class"]]
    assert [(percent(w.attributes["x1"]), percent(w.attributes["x2"])) for w in whiskers] == [(26.0, RIGHT)]
    assert [c.attributes["class"] for c in svg.all("circle")] == ["marked", "plain"]
    assert "a 0.2000 (0.1000 to 0.4000); b 0.1000" in svg.all("desc")[0].words()
    assert "n = 7 customers" in svg.all("figcaption")[0].words()


def marks(n: str, level: float = 0.95) -> str:
    rows = [Mark("a", 0.2, 0.1, 0.4, marked=True), Mark("b", 0.1)]
    return str(intervals("t", rows, "NDCG", n, level=level))


def test_the_caption_says_the_level_of_the_intervals_where_there_are_any() -> None:
    assert "NDCG, n = 7, lines are 95\u00a0% intervals" in marks("n = 7")
    assert "lines are 97.5\u00a0% intervals" in marks("n = 7", 0.975)
    assert "intervals" not in str(intervals("t", [Mark("a", 0.2)], "NDCG", "n = 7", level=0.9))


def test_negative_values_lie_left_of_zero() -> None:
    svg = read(bars("t", [Mark("gain", 30.0), Mark("loss", -10.0)], "EUR", "n = 2"))
    gain, loss = svg.all("rect")
    zero = LEFT + (RIGHT - LEFT) / 4
    assert (percent(gain.attributes["x"]), percent(gain.attributes["width"])) == (
        pytest.approx(zero),
        pytest.approx(72),
    )
    assert (percent(loss.attributes["x"]), percent(loss.attributes["width"])) == (LEFT, pytest.approx(24))


def test_names_are_escaped() -> None:
    assert "<i>" not in str(bars("<i>", [Mark("<i>", 1.0)], "<i>", "<i>"))
    assert "<i>" not in str(scatter("<i>", [Point("<i>", 1.0, 2.0)], ("<i>", "<i>"), "<i>"))
    assert "<i>" not in str(lines("<i>", {"<i>": [(0, 1)]}, ("<i>", "<i>"), "<i>"))


def test_lines_run_over_the_plane_and_differ_by_more_than_colour() -> None:
    tree = read(lines("t", {"a": [(0, 0.0), (10, 5.0)], "b": [(0, 2.5), (10, 10.0)]}, ("visitors", "clicks"), "n = 3"))
    paths = tree.all("polyline")
    assert paths[0].attributes["points"] == "0.00,100.00 100.00,50.00"
    assert paths[1].attributes["points"] == "0.00,75.00 100.00,0.00"
    assert len({p.attributes["stroke-dasharray"] for p in paths}) == 2
    assert [li.words().strip() for li in tree.all("li")] == ["a", "b"]


def test_points_of_one_value_are_drawn_in_the_middle() -> None:
    circle = read(scatter("t", [Point("a", 3.0, 0.0)], ("s", "NDCG"), "n = 1")).all("circle")[0]
    assert percent(circle.attributes["cx"]) == 50


def test_names_of_near_points_stand_under_one_another() -> None:
    points = [
        Point("a", 0.0, 1.0),
        Point("b", 0.1, 1.0),
        Point("c", 0.05, 0.99),
        Point("far", 9.0, 1.0),
        Point("d", 5.0, 0.0),
    ]
    texts = {t.words(): t for t in read(scatter("t", points, ("s", "x"), "n = 5")).all("text")}
    at = {name: float(texts[name].attributes["y"]) + float(texts[name].attributes["dy"]) for name in ("a", "b", "c")}
    assert min(abs(at[i] - at[j]) for i, j in (("a", "b"), ("a", "c"), ("b", "c"))) >= 14
    assert texts["far"].attributes["dy"] == texts["a"].attributes["dy"] == "4"
    assert texts["far"].attributes["text-anchor"] == "end"


def test_nothing_to_draw_is_no_figure() -> None:
    assert intervals("t", [], "x", "n", level=0.95) is None
    assert bars("t", [Mark("a", float("nan"))], "x", "n") is None
    assert lines("t", {}, ("x", "y"), "n") is None
    assert scatter("t", [], ("x", "y"), "n") is None
