"""A valid file, spoilt at random: whatever comes, rows are conserved and only our own errors are raised."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.config import TableSource
from recsys.data.frontdoor import read_table
from recsys.errors import RecsysError
from tests.data.order_files import HEADER, NOW, SHOP, body, conserve, line, text

VALID = text([*body(20), line(20, title='"a ""quoted"", one"'), line(21, title='"two\nlines"')]).encode()
SPLICES = (
    b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b";", b"\t", b"nan", b"1e400",
    b"-", b"\x1b", "\u202e".encode(), b"9" * 30, b"\n\n\n", b'","', b"x" * 70_000, b"2026-02-30", "\ufeff".encode(),
)  # fmt: skip
PLACE = st.integers(0, len(VALID))
EDIT = st.one_of(
    st.tuples(st.just("insert"), PLACE, st.integers(0, len(SPLICES) - 1)),
    st.tuples(st.just("flip"), PLACE, st.integers(0, 255)),
    st.tuples(st.just("cut"), PLACE, PLACE),
    st.tuples(st.just("copy"), PLACE, PLACE),
)
SHARE = st.sampled_from([0.05, 1.0])
DUPLICATES = st.sampled_from(["quarantine", "sum", "keep"])
Edits = list[tuple[str, int, int]]


def spoil(edits: Edits) -> bytes:
    raw = VALID
    for kind, place, what in edits:
        first, last = sorted((place, what))
        match kind:
            case "insert":
                raw = raw[:place] + SPLICES[what] + raw[place:]
            case "flip":
                raw = raw[:place] + bytes([what]) + raw[place + 1 :]
            case "cut":
                raw = raw[:first] + raw[last:]
            case _:
                raw += raw[first:last]
    return raw


def survive(raw: bytes, share: float, duplicates: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "f.csv"
        file.write_bytes(raw)
        source = TableSource(path=str(file)).model_copy(update={"max_bad_share": share, "duplicates": duplicates})
        try:
            found = read_table(source, "orders", SHOP, NOW)
        except RecsysError as error:
            message = str(error)
        else:
            conserve(found)
            message = ""
    assert "bug of ours" not in message


def test_b29_flipped_bytes_of_a_parquet_file(tmp_path: Path) -> None:
    rows = pl.DataFrame([r.split(",") for r in body(50)], schema=HEADER.split(","), orient="row")
    file = tmp_path / "f.parquet"
    rows.write_parquet(file, compression="uncompressed")
    sound = file.read_bytes()
    rng = np.random.default_rng(7)
    refused = 0
    for place in rng.integers(0, len(sound), 150):
        spoilt = bytearray(sound)
        spoilt[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(spoilt))
        try:
            conserve(read_table(TableSource(path=str(file), max_bad_share=1), "orders", SHOP, NOW))
        except RecsysError:
            refused += 1
    assert refused > 20


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@given(edits=st.lists(EDIT, min_size=1, max_size=5), share=SHARE, duplicates=DUPLICATES)
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=QUIET)
def test_spoilt_files(edits: Edits, share: float, duplicates: str) -> None:
    survive(spoil(edits), share, duplicates)


@pytest.mark.slow
@given(edits=st.lists(EDIT, min_size=1, max_size=8), share=SHARE, duplicates=DUPLICATES)
@settings(max_examples=2000, deadline=10_000, suppress_health_check=QUIET)
def test_many_spoilt_files(edits: Edits, share: float, duplicates: str) -> None:
    survive(spoil(edits), share, duplicates)
