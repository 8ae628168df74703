"""Columns of plain files: nothing guessed, the first bad cell named, both formats alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.errors import DataError, EmptyError, UsageError
from recsys.evaluation import files


def csv(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def whole(path: Path) -> pl.DataFrame:
    return pl.concat([frame for _, frame in files.batches(path, files.names(path, []))])


def test_ids_stay_text(tmp_path: Path) -> None:
    path = csv(tmp_path, "visitor,n\n007,1\nNA,2\n1e3,3\n7,4\n")
    frame = whole(path)
    assert files.texts(frame, "visitor", (path, 0)).tolist() == ["007", "NA", "1e3", "7"]
    assert len(set(files.keys(frame, "visitor", (path, 0)).tolist())) == 4


def test_keys_are_the_same_in_csv_and_parquet_and_for_ever(tmp_path: Path) -> None:
    path = csv(tmp_path, "visitor\n12\n13\n")
    parquet = tmp_path / "log.parquet"
    pl.DataFrame({"visitor": [12, 13]}).write_parquet(parquet)
    one, two = (files.keys(whole(p), "visitor", (p, 0)) for p in (path, parquet))
    assert np.array_equal(one, two)
    assert one.tolist() == KEYS


KEYS = [-7492630213020000251, 4384706861805517473]


@pytest.mark.parametrize("cell", ["", "abc", "1,5", "12 EUR"])
def test_the_first_bad_number_is_named(tmp_path: Path, cell: str) -> None:
    path = csv(tmp_path, f'a,b\n1,2\n 2.5 ,2\n"{cell}",2\nx,2\n')
    with pytest.raises(DataError, match=r"log.csv, row 3: column a \(2 such rows here\)"):
        files.numbers(whole(path), "a", (path, 0))


def test_rows_are_counted_over_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 4)
    path = csv(tmp_path, "a\n" + "".join(f"{i}\n" for i in range(11)))
    parts = list(files.batches(path, ["a"]))
    assert [first for first, _ in parts] == [0, 4, 8]
    assert [int(v) for first, f in parts for v in files.integers(f, "a", (path, first))] == list(range(11))
    bad = csv(tmp_path, "a\n" + "".join(f"{i}\n" for i in range(9)) + "9.5\n", "bad.csv")
    with pytest.raises(DataError, match="row 10: column a"):
        _ = [files.integers(frame, "a", (bad, first)) for first, frame in files.batches(bad, ["a"])]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-01-31T23:59:59Z", 1738367999),
        ("2025-01-31 23:59:59", 1738367999),
        ("2025-02-01T00:59:59+01:00", 1738367999),
        ("1738367999", 1738367999),
    ],
)
def test_times_are_utc_seconds(tmp_path: Path, text: str, seconds: int) -> None:
    path = csv(tmp_path, f"time\n{text}\n")
    assert files.times(whole(path), "time", (path, 0)).tolist() == [seconds]


def test_parquet_times_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame = pl.DataFrame({"time": pl.from_epoch(pl.Series([1738367999])), "a": [3]})
    frame.write_parquet(path)
    assert files.times(whole(path), "time", (path, 0)).tolist() == [1738367999]
    assert files.numbers(whole(path), "a", (path, 0)).tolist() == [3.0]


def test_a_time_that_is_none(tmp_path: Path) -> None:
    path = csv(tmp_path, "time\n2025-01-31T23:59:59Z\nyesterday\n")
    with pytest.raises(DataError, match=r"row 2: column time.*'yesterday'"):
        files.times(whole(path), "time", (path, 0))


def test_compressed_and_tabbed_files(tmp_path: Path) -> None:
    import gzip

    zipped = tmp_path / "log.csv.gz"
    zipped.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert files.names(zipped, ["b"]) == ["a", "b"]
    assert files.names(csv(tmp_path, "a\tb\n1\t2\n", "log.tsv"), ["b"]) == ["a", "b"]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        files.names(tmp_path / "none.csv", [])
    with pytest.raises(UsageError, match="parquet"):
        files.names(csv(tmp_path, "a\n1\n", "log.xlsx"), [])
    with pytest.raises(DataError, match="cannot be read"):
        files.names(csv(tmp_path, "not parquet", "log.parquet"), [])
    with pytest.raises(DataError, match="cannot be read"):
        whole(csv(tmp_path, "a,b\n1,2\n1,2,3\n"))
    with pytest.raises(DataError, match="cannot be read"):
        files.names(csv(tmp_path, ""), [])
    with pytest.raises(EmptyError, match="no rows"):
        files.names(csv(tmp_path, "a,b\n"), [])
    with pytest.raises(DataError, match=r"got columns a; wanted a column b. Try."):
        files.names(csv(tmp_path, "a\n1\n"), ["b"], "Try.")
