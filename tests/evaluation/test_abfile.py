"""A/B logs in files: rows of a visitor add up, what cannot be is refused by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.errors import DataError, EmptyError
from recsys.evaluation.abfile import read_visitors


def put(folder: Path, text: str) -> Path:
    path = folder / "ab.csv"
    path.write_text(text)
    return path


def test_rows_of_a_visitor_add_up(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "visitor,arm,time,orders,items,revenue,before_revenue\n"
        "b,new,2025-03-01T10:00:00Z,1,2,30,7\n"
        "a,control,2025-03-02T10:00:00Z,0,0,0,1.5\n"
        "b,new,2025-03-04T23:00:00Z,1,1,12.5,7\n",
    )
    arms, found = read_visitors(path)
    assert arms == ("control", "new")
    assert found.arm.tolist() == [0, 1]
    assert {name: values.tolist() for name, values in found.totals.items()} == {
        "orders": [0, 2],
        "items": [0, 3],
        "revenue": [0, 42.5],
    }
    assert found.before["revenue"].tolist() == [1.5, 7]
    assert (found.days, found.mixed) == (4, 0)


def test_an_exposure_log_counts_exposures(tmp_path: Path) -> None:
    path = put(tmp_path, "visitor,arm,slate,propensity,outcome\nv,a,1,1,0\nv,a,2,1,1\nw,b,3,1,0\n")
    _, found = read_visitors(path)
    assert found.totals["exposures"].tolist() == [2, 1]
    assert found.totals["outcome"].tolist() == [1, 0]


def test_visitors_of_several_arms_are_counted_and_left_out(tmp_path: Path) -> None:
    _, found = read_visitors(put(tmp_path, "visitor,arm,orders\nv,a,1\nv,b,1\nw,b,0\nx,a,0\n"))
    assert found.mixed == 1
    assert found.arm.tolist() == [1, 0]


def test_the_control_comes_first_and_given_arms_stay_in_order(tmp_path: Path) -> None:
    path = put(tmp_path, "visitor,arm,orders\nv,als,1\nw,control,0\n")
    assert read_visitors(path)[0] == ("control", "als")
    arms, found = read_visitors(path, ("als", "control", "ease"))
    assert arms == ("als", "control", "ease")
    assert found.arm.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("visitor,arm,revenue\nv,a,5\nw,b,-3\nx,b,-1\n", r"row 2: column revenue \(2 such rows\).*'-3'.*Net returns"),
        ("visitor,arm,revenue\nv,a,5\nw,b,nan\n", "row 2: column revenue"),
        ("visitor,arm,orders\nv,a,one\n", "row 1: column orders.*'one'"),
        ("visitor,arm,orders,before_orders\nv,a,1,\n", "row 1: column before_orders"),
        ("visitor,arm,orders\nv,a,1\n,b,1\n", "row 2: column visitor.*an id"),
        ("visitor,arm,orders\nv,,1\n", "row 1: column arm"),
        ("visitor,arm\nv,a\n", "one of orders, items, revenue, outcome"),
        ("visitor,orders\nv,1\n", "wanted a column arm"),
        ("visitor,arm,orders\nv,b,1\nw,c,0\nx,a,0\n", "unknown b, c; wanted a, z"),
    ],
)
def test_logs_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_visitors(put(tmp_path, text), ("a", "z") if "unknown" in words else ())


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(EmptyError):
        read_visitors(put(tmp_path, "visitor,arm,orders\n"))
