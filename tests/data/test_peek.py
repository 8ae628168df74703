"""The beginning of a file nobody described yet."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from recsys.data.peek import peek
from recsys.errors import DataError


def test_delimiter_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("\n order;who \n1;a\n\n2;b\n", encoding="utf-8-sig")
    found = peek(file)
    assert (found.header, found.rows) == ([" order", "who "], [["1", "a"], ["2", "b"]])
    assert (found.delimiter, found.encoding) == (";", "utf-8")


def test_another_encoding_is_a_guess_not_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress("order,title\n1,Größe\n".encode("latin-1")))
    found = peek(file)
    assert (found.encoding, found.rows) == ("cp1252", [["1", "Größe"]])


def test_parquet_times_are_shown_as_iso(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pl.DataFrame({"order": [7, None], "date": [datetime(2024, 1, 2, 3)] * 2}).write_parquet(file)
    assert peek(file).rows == [["7", "2024-01-02T03:00:00Z"], ["", "2024-01-02T03:00:00Z"]]


@pytest.mark.parametrize(
    ("name", "blob", "said"),
    [
        ("a.xlsx", b"PK\x03\x04" + bytes(50), "spreadsheet"),
        ("a.csv", b"\x89PNG" + bytes(50), "binary"),
        ("a.db", b"SQLite format 3\0", "SQLite"),
        ("a.csv", b"", "empty"),
        ("a.csv", b" \n\n", "empty"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.parquet", b"PAR1", "not a readable Parquet"),
    ],
)
def test_what_is_no_table_is_said_in_words(tmp_path: Path, name: str, blob: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(blob)
    with pytest.raises(DataError, match=said):
        peek(tmp_path / name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder"):
        peek(tmp_path)
