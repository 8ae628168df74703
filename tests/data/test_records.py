"""The record counter against the csv module, and what it does where the csv module would swallow rows."""

from __future__ import annotations

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.records import Grammar, Lines, records

CELL = st.text(alphabet='ab",;\n é', max_size=6)


def read(text: str, width: int, delimiter: str = ",") -> list[tuple[int, str, str]]:
    return [tuple(r) for r in records(Lines(io.StringIO(text), "f"), Grammar(delimiter, width))]  # type: ignore[misc]


@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=6), quoting=st.sampled_from([0, 1]))
@settings(max_examples=200, deadline=None)
def test_a_file_of_the_csv_writer_is_read_back_or_accounted_for(rows: list[list[str]], quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    lines = Lines(io.StringIO(out.getvalue()), "f")
    found = list(records(lines, Grammar(",", 3)))
    held = sum(r.text.count("\n") + 1 for r in found)
    assert held + lines.blank == len(out.getvalue().splitlines()) == lines.number
    if all(not r.reason for r in found):
        assert list(csv.reader(r.text for r in found)) == [r for r in rows]


@given(cells=st.lists(CELL, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_cells_are_counted_as_the_csv_module_counts_them(cells: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    grammar = Grammar(",", len(cells))
    assert grammar.is_whole(out.getvalue())
    assert grammar.count(out.getvalue()) == len(grammar.cells(out.getvalue())) == len(cells)


def test_multi_line_cells_stay_whole() -> None:
    assert read('a,"b\n\nc",d\ne,f,g\n', 3) == [(1, 'a,"b\n\nc",d', ""), (4, "e,f,g", "")]
    assert read('"a\nb","c\nd",e\n', 3) == [(1, '"a\nb","c\nd",e', "")]


def test_a_bare_quote_inside_a_cell_is_text() -> None:
    assert read('a,5" pipe,c\n', 3) == [(1, 'a,5" pipe,c', "")]


def test_an_unclosed_quote_never_swallows_a_row() -> None:
    text = 'a,"b,c\nd,e,f\ng,h",i\n'  # the csv module reads one row of three cells here
    assert next(csv.reader(io.StringIO(text))) == ["a", "b,c\nd,e,f\ng,h", "i"]
    assert read(text, 3) == [(1, 'a,"b,c', "unclosed_quote"), (2, "d,e,f", ""), (3, 'g,h",i', "")]


def test_quotes_that_open_for_ever_cost_only_their_lines() -> None:
    text = "".join(f'{i},"x,y\n' for i in range(3000))
    found = read(text, 3)
    assert len(found) == 3000
    assert {r for _, _, r in found} <= {"unclosed_quote", "quote"}


def test_other_delimiters() -> None:
    assert read('a|"b|c"|d\n', 3, "|") == [(1, 'a|"b|c"|d', "")]
    assert read("a\tb\n", 3, "\t") == [(1, "a\tb", "columns")]
