"""The malformed-input catalogue, one test per entry (B01 ...): refuse, quarantine or accept, and lose nothing."""

from __future__ import annotations

import datetime
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.config import NonProducts, Shop, TableSource
from recsys.data import content, frontdoor
from recsys.data.frontdoor import read_table
from recsys.errors import ConfigError, DataError, EmptyError, RecsysError
from tests.data.order_files import HEADER, NOW, SHOP, bad, body, conserve, line, read, text, with_row


def refuse(folder: Path, content: str | bytes, **options: Any) -> RecsysError:
    """The error of a refused file; its message names the file."""
    with pytest.raises(DataError) as caught:
        read(folder, content, **options)
    assert options.get("name", "f.csv") in str(caught.value)
    return caught.value


def quarantine(folder: Path, row: str, reason: str, **options: Any) -> dict[str, Any]:
    """One row among 60 valid ones is quarantined for `reason`, with its text and line; the others are untouched."""
    found = read(folder, with_row(row), **options)
    assert found.report.quarantined == {reason: 1}
    assert found.report.rows_in == 61
    kept = found.quarantined.row(0, named=True)
    assert kept["source_line"] == 32
    return kept


def accept(folder: Path, row: str, **options: Any) -> dict[str, Any]:
    """One row among 60 valid ones is accepted as it is."""
    found = read(folder, with_row(row), **options)
    assert found.report.accepted == 61
    return found.accepted.filter(pl.col("source_line") == 32).row(0, named=True)


def epoch(iso: str) -> int:
    return int(datetime.datetime.fromisoformat(iso).timestamp())


def test_b01_bom_is_stripped(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + text(body()).encode()).report.accepted == 60


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_b02_utf16_is_refused_unless_declared(tmp_path: Path, codec: str) -> None:
    raw = text(body()).encode(codec)
    assert "UTF-16" in str(refuse(tmp_path, raw))
    assert read(tmp_path, raw, encoding=codec).report.accepted == 60


def test_b03_a_latin1_byte_costs_its_row_only_unless_declared(tmp_path: Path) -> None:
    raw = with_row(line(99, title="Größe")).encode("latin-1")
    found = read(tmp_path, raw)
    assert found.report.quarantined == {"encoding": 1}
    assert r"Gr\xf6\xdfe" in found.quarantined["raw"][0]
    assert "Größe" in read(tmp_path, raw, encoding="latin-1").accepted["title"].to_list()


def test_b04_mojibake_is_counted(tmp_path: Path) -> None:
    found = read(tmp_path, with_row(line(99, title="Größe".encode().decode("cp1252"))))
    assert found.report.accepted == 61
    assert found.report.warnings == {"mojibake": 1}


def test_b05_nul_costs_its_row(tmp_path: Path) -> None:
    quarantine(tmp_path, line(99, title="a\0b"), "control_char")


@pytest.mark.parametrize("mark", ["\x1b[31m", "\x07", "\u202e"])
def test_b06_control_characters_in_ids(tmp_path: Path, mark: str) -> None:
    quarantine(tmp_path, line(99, customer=f"c{mark}1"), "control_char")
    assert accept(tmp_path, line(99, title=f"t{mark}1"))["title"] == f"t{mark}1"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_b07_empty_file(tmp_path: Path, content: bytes) -> None:
    assert isinstance(refuse(tmp_path, content), EmptyError)


def test_b08_header_only(tmp_path: Path) -> None:
    assert isinstance(refuse(tmp_path, HEADER), EmptyError)
    assert read(tmp_path, HEADER, allow_empty=True).report.rows_in == 0
    assert read(tmp_path, "customer,colour\n", table="customers").accepted.columns[-1] == "colour"


def test_b09_no_header(tmp_path: Path) -> None:
    assert "no header" in str(refuse(tmp_path, "\n".join(body())))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_b10_wrong_delimiter_is_named(tmp_path: Path, delimiter: str) -> None:
    content = text(body()).replace(",", delimiter)
    assert f"delimiter = {json.dumps(delimiter)}" in str(refuse(tmp_path, content))
    assert read(tmp_path, content, delimiter=delimiter).report.accepted == 60


def test_b11_missing_column(tmp_path: Path) -> None:
    assert "quantity" in str(refuse(tmp_path, text([r for r in body()], HEADER.replace("quantity", "zzz"))))


def test_b12_extra_column_is_reported(tmp_path: Path) -> None:
    found = read(tmp_path, text([r + ",x" for r in body()], HEADER + ",channel"))
    assert found.report.accepted == 60
    assert found.report.extra_columns == ("channel",)


def test_b13_columns_in_any_order(tmp_path: Path) -> None:
    swapped = [",".join(reversed(r.split(","))) for r in [HEADER, *body()]]
    found, plain = read(tmp_path, "\n".join(swapped)), read(tmp_path, text(body()))
    assert found.accepted.drop("source").equals(plain.accepted.drop("source"))


def test_b14_duplicate_header(tmp_path: Path) -> None:
    assert "'time'" in str(refuse(tmp_path, text([r + ",x" for r in body()], HEADER + ",time")))


def test_b15_a_header_in_another_case_needs_a_declared_name(tmp_path: Path) -> None:
    content = text(body(), HEADER.replace("order", " Order"))
    assert "' Order'" in str(refuse(tmp_path, content))
    assert read(tmp_path, content, columns={"order": " Order"}).report.accepted == 60


def test_b16_a_renamed_column_gets_the_nearest_name(tmp_path: Path) -> None:
    assert "quantity = 'quantities'" in str(refuse(tmp_path, text(body(), HEADER.replace("quantity", "quantities"))))


def test_b17_type_drift_is_quarantined_row_by_row_and_refused_when_frequent(tmp_path: Path) -> None:
    rows = [line(i, quantity="two") if i in (5, 50) else line(i) for i in range(60)]
    assert read(tmp_path, text(rows)).report.quarantined == {"qty": 2}
    rows = [line(i, quantity="two") if i < 4 else line(i) for i in range(60)]
    error = str(refuse(tmp_path, text(rows)))
    assert "too_many_bad" in error
    assert "4 of 60" in error
    assert "line 2" in error
    assert read(tmp_path, text(rows), max_bad_share=0.1).report.quarantined == {"qty": 4}


@pytest.mark.parametrize("row", ["o9,c1,p1", line(99) + ",more,more", "justtext"])
def test_b18_b19_short_and_long_rows(tmp_path: Path, row: str) -> None:
    assert quarantine(tmp_path, row, "columns")["raw"] == row


UNCLOSED = line(99, title='"broken title')


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([], {}),
        ([line(7, title='"fine, closed"')], {}),
        ([line(7, title='5" pipe')], {}),
        ([line(7, title='pipe 5"')], {}),
        (['o8,"c1",p1,1,2.50,2026-03-03,x'], {}),
        (['o8,"",p1,1,2.50,2026-03-03,x', 'o9,"",p1,1,2.50,2026-03-03,x'], {}),
        ([line(7, title='"also broken')], {"unclosed_quote": 1}),
    ],
)
@pytest.mark.parametrize("cell", ["title", "order"])
def test_b20_an_unclosed_quote_costs_one_line(
    tmp_path: Path, after: list[str], expected: dict[str, int], cell: str
) -> None:
    rows = body()
    broken = line(99, **{cell: '"broken'})
    found = read(tmp_path, text([*rows[:30], broken, *after, *rows[30:]]))
    assert found.report.quarantined == {"unclosed_quote": 1 + expected.get("unclosed_quote", 0)}
    assert found.report.accepted == 60 + len(after) - expected.get("unclosed_quote", 0)
    assert found.quarantined["raw"][0] == broken
    assert found.quarantined["source_line"][0] == 32


def test_b20_an_unclosed_quote_in_the_last_line(tmp_path: Path) -> None:
    assert read(tmp_path, text([*body(), UNCLOSED])).report.quarantined == {"unclosed_quote": 1}


def test_b20_text_after_a_closing_quote_is_not_glued(tmp_path: Path) -> None:
    quarantine(tmp_path, line(99, title='"one" two'), "quote")


def test_b21_quoted_newline_comma_and_quote(tmp_path: Path) -> None:
    found = read(tmp_path, with_row(line(99, title='"a\nb, ""c"" \n\nd"')))
    assert found.report.rows_in == 61
    assert 'a\nb, "c" \n\nd' in found.accepted["title"].to_list()
    assert found.accepted["source_line"].max() == 65  # three lines further down
    assert accept(tmp_path, line(99, order='"o\n1"').replace("\n", " "))["order"] == "o 1"


def test_b21_a_quoted_newline_in_the_first_and_last_cell(tmp_path: Path) -> None:
    rows = [*body(), '"x\ny",c1,p1,1,2.50,2026-03-03,"t\nu"', '"""q""",c1,p1,1,2.50,2026-03-03,""']
    found = read(tmp_path, text(rows))
    assert found.report.rows_in == 62
    assert found.report.quarantined == {"control_char": 1}  # the newline inside an id
    assert '"q"' in found.accepted["order"].to_list()


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_b22_line_ends(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, text(body(), end=end)).report.accepted == 60
    assert read(tmp_path, text(body(), end=end).rstrip()).report.accepted == 60


def test_b22_mixed_line_ends(tmp_path: Path) -> None:
    rows = body()
    mixed = HEADER + "\r\n" + "\r".join(rows[:20]) + "\r" + "\n".join(rows[20:40]) + "\r\n\n" + "\r\n".join(rows[40:])
    found = read(tmp_path, mixed)
    assert found.report.accepted == 60
    assert found.report.blank == 1


def test_b22_line_ends_over_a_chunk_border_are_counted_once(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b"a" * (content.CHUNK - 1) + b"\r\nb\r\n\rc")
    assert content.inspect(str(file)).lines == 4


def test_b23_blank_comment_and_footer_lines(tmp_path: Path) -> None:
    found = read(tmp_path, text(["", *body(), "   ", "# exported by hand", "Total,,,120,,,"]))
    assert found.report.blank == 2
    assert found.report.quarantined == {"columns": 1, "product_missing": 1}
    assert found.report.accepted == 60


@pytest.mark.parametrize("quote", ["", '"'])
def test_b24_giant_field(tmp_path: Path, quote: str) -> None:
    kept = quarantine(tmp_path, line(99, title=quote + "x" * 3_000_000 + quote), "field_size")
    assert len(kept["raw"]) == 2000


def test_b24_a_giant_header(tmp_path: Path) -> None:
    assert "header" in str(refuse(tmp_path, text(body(), HEADER + "," + "x" * 200_000)))


def test_b25_a_line_without_end_is_refused_early(tmp_path: Path) -> None:
    raw = HEADER.encode() + b"\n" + b"x" * (content.LINE_SIZE + 2 * content.CHUNK)
    assert "line_size" in str(refuse(tmp_path, raw))


def test_b26_ten_thousand_columns(tmp_path: Path) -> None:
    wide = ",".join([HEADER, *(f"x{i}" for i in range(10_000))])
    began = time.process_time()
    assert "too many columns" in str(refuse(tmp_path, text([], wide)))
    assert time.process_time() - began < 1


def test_b27_damaged_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(text(body(), end="\n").encode())
    flipped = bytearray(packed)
    flipped[-6] ^= 1  # the checksum
    for raw in (packed[:-20], packed[:15], bytes(flipped), packed + b"junk", b"no gzip at all"):
        assert "corrupt" in str(refuse(tmp_path, raw, name="f.csv.gz"))
    assert read(tmp_path, packed, name="f.csv.gz").report.accepted == 60


def test_b28_a_bomb_is_refused_and_a_zip_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "BOMB_FREE", 1 << 20)
    assert "too much" in str(refuse(tmp_path, gzip.compress(b"a\n" * (4 << 20)), name="f.csv.gz"))
    assert "zip" in str(refuse(tmp_path, b"PK\x03\x04rest", name="f.csv"))


def parquet(folder: Path, frame: pl.DataFrame, name: str = "f.parquet") -> bytes:
    frame.write_parquet(folder / name)
    return (folder / name).read_bytes()


def as_frame(n: int = 60) -> pl.DataFrame:
    return pl.DataFrame([r.split(",") for r in body(n)], schema=HEADER.split(","), orient="row")


def test_b29_damaged_parquet(tmp_path: Path) -> None:
    raw = parquet(tmp_path, as_frame())
    for damaged in (raw[:-40], raw[: len(raw) // 2], raw[:-8] + b"\0\0\0\0PAR1", b"PAR1", b"no parquet"):
        assert "corrupt" in str(refuse(tmp_path, damaged, name="g.parquet"))


def test_b30_parquet_types_that_can_be_cast_are(tmp_path: Path) -> None:
    typed = as_frame().with_columns(
        pl.col("quantity").cast(pl.Int8),
        pl.col("price").cast(pl.Decimal(10, 2)),
        pl.col("time").str.to_datetime(),
        pl.col("customer").cast(pl.Categorical),
    )
    found = read(tmp_path, parquet(tmp_path, typed), name="g.parquet", time_format="epoch_s")
    plain = read(tmp_path, text(body()))
    assert found.accepted.drop("source", "source_line").equals(plain.accepted.drop("source", "source_line"))
    zoned = typed.with_columns(pl.col("time").dt.replace_time_zone("America/New_York"))
    late = read(tmp_path, parquet(tmp_path, zoned), name="g.parquet").accepted
    assert set(late["time"] - plain.accepted["time"]) == {5 * 3600, 6 * 3600}  # both clocks change in March


def test_b30_parquet_nulls_and_nested_columns(tmp_path: Path) -> None:
    hole = as_frame().with_columns(pl.when(pl.col("customer") != "c3").then("customer").alias("customer"))
    assert read(tmp_path, parquet(tmp_path, hole), name="g.parquet").report.guests == 9
    nested = as_frame().with_columns(pl.concat_list("title").alias("title"))
    assert "'title'" in str(refuse(tmp_path, parquet(tmp_path, nested), name="g.parquet"))
    beside = as_frame().with_columns(pl.concat_list("title").alias("tags"))
    assert read(tmp_path, parquet(tmp_path, beside), name="g.parquet").report.accepted == 60


def test_b31_parquet_duplicate_column_and_no_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = as_frame().to_arrow()
    pq.write_table(pa.table([*table.columns, table.column(0)], names=[*table.column_names, "order"]), tmp_path / "d")
    assert "same name" in str(refuse(tmp_path, (tmp_path / "d").read_bytes(), name="g.parquet"))
    assert isinstance(refuse(tmp_path, parquet(tmp_path, as_frame(0)), name="g.parquet"), EmptyError)


def test_b32_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f.csv"
    file.write_text(text(body()))
    honest = frontdoor.open_csv

    def meddle(*args: Any) -> Any:
        blocks = honest(*args)
        with file.open("a") as stream:
            stream.write(line(99) + "\n")
        return blocks

    monkeypatch.setattr(frontdoor, "open_csv", meddle)
    with pytest.raises(DataError, match=r"f\.csv"):
        read_table(TableSource(path=str(file)), "orders", SHOP, NOW)


def test_b32_a_replacement_with_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("a,b\n1,2\n")
    seen = content.inspect(str(file))
    stamp = file.stat()
    file.write_text("a,b\n1,3\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(DataError, match="changed"):
        content.confirm(seen)


def test_b35_a_negative_quantity_is_a_return(tmp_path: Path) -> None:
    row = accept(tmp_path, line(99, quantity="-2"))
    assert (row["kind"], row["quantity"]) == ("return", -2)
    row = accept(tmp_path, line(99, order="C77", quantity="2"), cancelled_prefix="C")
    assert (row["kind"], row["quantity"]) == ("return", -2)


@pytest.mark.parametrize(
    "quantity", ["0", "", "two", "4294967296", "99999999999999999999", "nan", "1e400", "0x10", "1 2"]
)
def test_b36_quantity_is_refused(tmp_path: Path, quantity: str) -> None:
    quarantine(tmp_path, line(99, quantity=quantity), "qty")


def test_b36_a_fraction_is_sold_by_weight(tmp_path: Path) -> None:
    assert accept(tmp_path, line(99, quantity="1.5"))["quantity"] == 1.5


def test_b38_a_gift_costs_nothing(tmp_path: Path) -> None:
    assert accept(tmp_path, line(99, price="0"))["price"] == 0


def test_b39_a_negative_price_is_only_for_corrections(tmp_path: Path) -> None:
    quarantine(tmp_path, line(99, price="-1"), "price<0")
    shop = Shop(non_products=NonProducts(codes=("B",), patterns=("^gift_",)))
    (tmp_path / "f.csv").write_text(text([*body(), line(99, product="B", price="-9"), line(98, product="gift_1")]))
    found = read_table(TableSource(path=str(tmp_path / "f.csv")), "orders", shop, NOW)
    assert found.report.kinds == {"sale": 60, "non_product": 2}


@pytest.mark.parametrize("price", ["", "NaN", "inf", "-Infinity", "1e400"])
def test_b40_price_without_a_number(tmp_path: Path, price: str) -> None:
    quarantine(tmp_path, line(99, price=price), "price_nonfinite")


def test_b41_an_outlier_is_accepted(tmp_path: Path) -> None:
    assert accept(tmp_path, line(99, price="1e9"))["price"] == 1e9


def test_b42_decimal_comma(tmp_path: Path) -> None:
    content = text(body()).replace(",", ";").replace(".50", ",50")
    assert "`decimal`" in str(refuse(tmp_path, content, delimiter=";"))
    assert read(tmp_path, content, delimiter=";", decimal=",").accepted["price"].sum() == sum(
        5.5 + i % 4 for i in range(60)
    )


@pytest.mark.parametrize("price", ['"1.234,50"', "$9.99", '"1,234.50"', "9.99 EUR", "1_000", "--1"])
def test_b43_number_format(tmp_path: Path, price: str) -> None:
    quarantine(tmp_path, line(99, price=price), "number_format")


def test_b45_another_currency(tmp_path: Path) -> None:
    rows = [line(i, title="EUR") for i in range(60)] + [line(60, title="USD"), line(61, title="")]
    found = read(tmp_path, text(rows, HEADER.replace("title", "currency")))
    assert found.report.quarantined == {"currency": 2}


def test_b46_prices_may_change_within_a_day(tmp_path: Path) -> None:
    again = line(0, order="other", price="99.00")
    assert read(tmp_path, text([*body(), again])).report.accepted == 61


def test_b47_future(tmp_path: Path) -> None:
    soon = datetime.datetime.fromtimestamp(NOW + 80_000, datetime.UTC).isoformat()
    later = datetime.datetime.fromtimestamp(NOW + 90_000, datetime.UTC).isoformat()
    assert accept(tmp_path, line(99, time=soon))["time"] == NOW + 80_000
    quarantine(tmp_path, line(99, time=later), "future_ts")


@pytest.mark.parametrize("when", ["1970-01-01", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "1989-12-31"])
def test_b48_placeholder_times(tmp_path: Path, when: str) -> None:
    quarantine(tmp_path, line(99, time=when), "ts_range")


def test_b49_seconds_and_milliseconds_are_not_mixed(tmp_path: Path) -> None:
    rows = [line(i, time=str(1_770_000_000 + i)) for i in range(60)]
    mixed = [*rows[:59], line(59, time="1770000000123")]
    assert read(tmp_path, text(mixed), time_format="epoch_s").report.quarantined == {"ts_format": 1}
    in_ms = [line(i, time=str(1_770_000_000_999 + i)) for i in range(60)]
    found = read(tmp_path, text([*in_ms[:59], rows[59]]), time_format="epoch_ms")
    assert found.report.quarantined == {"ts_format": 1}
    assert found.accepted["time"].min() == 1_770_000_000


def test_b50_an_ambiguous_date_needs_a_format(tmp_path: Path) -> None:
    rows = [line(i, time="03/04/2026") for i in range(60)]
    assert "`time_format`" in str(refuse(tmp_path, text(rows)))
    for form, day in (("%d/%m/%Y", "2026-04-03"), ("%m/%d/%Y", "2026-03-04")):
        found = read(tmp_path, text(rows), time_format=form)
        assert found.report.first_day == (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("zone", "local", "instant", "note"),
    [
        ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00+00:00", {"clock_skipped": 1}),
        ("Europe/Berlin", "2025-10-26 02:30:00", "2025-10-26T00:30:00+00:00", {"clock_twice": 1}),
        ("America/New_York", "2026-03-08 02:10", "2026-03-08T07:10:00+00:00", {"clock_skipped": 1}),
        ("Australia/Lord_Howe", "2025-10-05 02:15", "2025-10-04T15:45:00+00:00", {"clock_skipped": 1}),
        ("Europe/Berlin", "2026-03-29 03:30", "2026-03-29T01:30:00+00:00", {}),
    ],
)
def test_b51_clock_changes(tmp_path: Path, zone: str, local: str, instant: str, note: dict[str, int]) -> None:
    found = read(tmp_path, with_row(line(99, time=local)), timezone=zone)
    assert found.report.warnings == note
    assert found.accepted.filter(pl.col("source_line") == 32)["time"][0] == epoch(instant)


def test_b51_every_order_of_a_short_and_a_long_day_is_in_that_day(tmp_path: Path) -> None:
    days = {"2026-03-29": 23, "2025-10-26": 25}
    for day, hours in days.items():
        start = datetime.datetime.fromisoformat(day).replace(tzinfo=SHOP.zone)
        first = int(start.timestamp())
        rows = [line(i, order=f"o{i}", time=str(first - 7200 + 1800 * i)) for i in range(60)]
        found = read(tmp_path, text(rows), time_format="epoch_s")
        number = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days
        assert (found.accepted["day"] == number).sum() == 2 * hours
        assert (found.accepted["day"] == number - 1).sum() == 4


def test_b52_offsets_are_normalised(tmp_path: Path) -> None:
    written = ["2026-03-05T12:00:00+02:00", "2026-03-05T10:00:00Z", "2026-03-05 05:00-0500", "2026-03-05T10:00:00.123Z"]
    rows = [line(i, time=t) for i, t in enumerate(written)]
    assert set(read(tmp_path, text(rows)).accepted["time"]) == {epoch("2026-03-05T10:00:00+00:00")}


@pytest.mark.parametrize(
    "when", ["2026-02-30 10:00:00", "2026-13-01", "2026-03-01 25:00:00", "2026-03-01 24:01", "2026-03-01 10:61"]
)
def test_b53_impossible_dates(tmp_path: Path, when: str) -> None:
    quarantine(tmp_path, line(99, time=when), "ts_invalid")


def test_b53_impossible_dates_of_a_declared_format(tmp_path: Path) -> None:
    rows = [line(i, time="28.02.2026 10:00") for i in range(60)]
    found = read(
        tmp_path, text([*rows, line(60, time="30.02.2026 10:00"), line(61, time="2026")]), time_format="%d.%m.%Y %H:%M"
    )
    assert found.report.quarantined == {"ts_format": 1, "ts_invalid": 1}


def test_b53_midnight_as_24_and_the_leap_second(tmp_path: Path) -> None:
    for when, means in (("2026-03-04 24:00:00", "2026-03-05T00:00:00"), ("2026-03-04T23:59:60", "2026-03-05T00:00:00")):
        assert accept(tmp_path, line(99, time=when))["time"] == epoch(means + "+01:00")


def test_b54_a_guest_is_no_customer(tmp_path: Path) -> None:
    assert accept(tmp_path, line(99, customer=""))["customer"] is None
    assert read(tmp_path, with_row(line(99, customer=" "))).report.guests == 1


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "0", "N/A", "-"])
def test_b55_words_that_look_empty_are_ids(tmp_path: Path, name: str) -> None:
    row = accept(tmp_path, line(99, customer=name, product=name))
    assert (row["customer"], row["product"]) == (name, name)


def test_b56_leading_zeros(tmp_path: Path) -> None:
    found = read(tmp_path, text([*body(), line(97, product="00042"), line(98, product="42")]))
    assert {"00042", "42"} <= set(found.accepted["product"])


@pytest.mark.parametrize("name", ["17850.0", "1e5", "9007199254740993"])
def test_b57_float_like_ids_stay_text(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, with_row(line(99, customer=name)))
    assert name in found.accepted["customer"].to_list()
    assert found.report.warnings == ({"float_like_id": 1} if len(name) < 10 else {})


def test_b57_decimals_are_stripped_when_asked(tmp_path: Path) -> None:
    row = accept(tmp_path, line(99, customer="17850.0", product="12.50"), strip_decimal_ids=True)
    assert (row["customer"], row["product"]) == ("17850", "12.50")


def test_b58_long_ids(tmp_path: Path) -> None:
    for name in ("9" * 25, "é" * 256):
        assert accept(tmp_path, line(99, product=name))["product"] == name
    quarantine(tmp_path, line(99, product="x" * 257), "id_length")


def test_b59_unicode_ids(tmp_path: Path) -> None:
    names = ["é", "e\u0301", "🛒", "שלום", "ß", "SS"]
    found = read(tmp_path, text([*body(), *(line(60 + i, product=n) for i, n in enumerate(names))]))
    assert set(names) <= set(found.accepted["product"])
    assert found.report.warnings == {"nfc_collision": 1}


def test_b60_case_differs_and_edge_spaces_go(tmp_path: Path) -> None:
    found = read(tmp_path, text([*body(), line(60, product="Ab"), line(61, product=" aB "), line(62, product="a b")]))
    assert {"Ab", "aB", "a b"} <= set(found.accepted["product"])
    assert found.report.warnings == {"trimmed_id": 1}


@pytest.mark.parametrize(
    "name",
    ["../../x", "a/b", "CON", "=cmd()", "+1", "-1", "@x", "'; DROP TABLE orders;--", "{{ 7*7 }}", "<b>x</b>"],
)
def test_b61_to_b64_hostile_text_is_data(tmp_path: Path, name: str) -> None:
    row = accept(tmp_path, line(99, product=name, title=name))
    assert (row["product"], row["title"]) == (name, name)


def test_b65_exact_duplicates(tmp_path: Path) -> None:
    rows = text([*body(), line(3), line(3), line(4)])
    found = read(tmp_path, rows)
    assert found.report.quarantined == {"duplicate": 3}
    assert found.accepted["source_line"].to_list() == list(range(2, 62))
    kept = read(tmp_path, rows, duplicates="keep")
    assert kept.report.accepted == 63
    summed = read(tmp_path, rows, duplicates="sum")
    assert summed.report.quarantined == {"summed": 3}
    assert summed.accepted["quantity"].sum() == kept.accepted["quantity"].sum()


def test_b65_duplicates_are_no_reason_to_refuse(tmp_path: Path) -> None:
    assert read(tmp_path, text([*body(), *body()])).report.quarantined == {"duplicate": 60}


def test_b66_the_same_line_id_with_two_contents(tmp_path: Path) -> None:
    rows = [r + f",{i}" for i, r in enumerate(body())] + [line(3, quantity="77") + ",3", line(5) + ",5"]
    found = read(tmp_path, text(rows, HEADER + ",line"))
    assert found.report.quarantined == {"conflict": 2, "duplicate": 1}
    assert set(found.quarantined["source_line"]) == {5, 62, 63}


def test_b67_one_row_per_product(tmp_path: Path) -> None:
    rows = ["p1,red,2026-01-02", "p1,blue,2026-01-03", "p1,old,2026-01-01", "p2,x,", "p2,x,", "p3,a,", "p3,b,"]
    found = read(tmp_path, text(rows, "product,colour,updated"), table="products")
    assert dict(zip(found.accepted["product"], found.accepted["colour"], strict=True)) == {
        "p1": "blue",
        "p2": "x",
        "p3": "b",
    }
    assert found.report.quarantined == {"superseded": 3, "duplicate": 1}


def test_products_are_typed_and_keep_their_attributes(tmp_path: Path) -> None:
    rows = ["p1,9.5,,yes,XL", "p2,,3,0,", "p3,,,,S", "p4,x,,1,S", "p5,1,,maybe,S"]
    found = read(tmp_path, text(rows, "product,price,cost,available,size"), table="products", max_bad_share=1)
    table = found.accepted
    assert table["price"].to_list() == [9.5, None, None]
    assert table["cost"].to_list() == [None, 3, None]
    assert table["available"].to_list() == [True, False, None]
    assert table["size"].to_list() == ["XL", None, "S"]
    assert table["seller"].to_list() == ["shop"] * 3
    assert found.report.quarantined == {"flag": 1, "number_format": 1}


def test_an_order_around_midnight_is_of_one_day(tmp_path: Path) -> None:
    rows = [line(0, order="m", time="2026-03-04 23:59"), line(1, order="m", time="2026-03-05 00:01"),
            line(2, order="long", time="2026-03-01"), line(3, order="long", time="2026-03-09")]  # fmt: skip
    days = read(tmp_path, text(rows)).accepted.group_by("order").agg(pl.col("day").n_unique())
    assert dict(days.rows()) == {"m": 1, "long": 2}


def test_no_file_and_unknown_codec_and_unknown_field(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_table(TableSource(path=str(tmp_path / "none.csv")), "orders", SHOP, NOW)
    with pytest.raises(ConfigError, match="codec"):
        read(tmp_path, text(body()), encoding="klingon")
    with pytest.raises(ConfigError, match="quantity"):
        read(tmp_path, text(body()), columns={"quantitty": "quantity"})


def test_sql_rows_take_the_same_road(tmp_path: Path) -> None:
    import sqlalchemy as sa

    url = f"sqlite:///{tmp_path / 'shop.db'}"
    as_frame().with_columns(pl.col("quantity").cast(pl.Int64)).write_database("lines", url, engine="sqlalchemy")
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("UPDATE lines SET customer = NULL, quantity = 0 WHERE title = 'title 7'"))
    source = TableSource(url=url, query="SELECT * FROM lines")
    found, again = (read_table(source, "orders", SHOP, NOW) for _ in range(2))
    conserve(found)
    assert found.report.quarantined == {"qty": 1}
    assert found.report.sha256 == again.report.sha256
    plain = read(tmp_path, text([line(i, quantity="0") if i == 7 else line(i) for i in range(60)])).accepted
    assert found.accepted.drop("source", "source_line").equals(plain.drop("source", "source_line"))
    with pytest.raises(DataError, match="no such table"):
        read_table(source.model_copy(update={"query": "SELECT * FROM absent"}), "orders", SHOP, NOW)


def test_decimals_of_a_database_stay_exact() -> None:
    from decimal import Decimal

    from recsys.data.read_sql import text_of

    values = [Decimal("0.10"), Decimal("1E+2"), 0.1, None, True, datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)]
    assert [text_of(v) for v in values] == ["0.10", "100", "0.1", "", "true", "2026-01-02T03:00:00+00:00"]


def test_the_message_teaches(tmp_path: Path) -> None:
    error = str(refuse(tmp_path, text([line(i, time=f"0{1 + i % 9}/04/2026") for i in range(60)])))
    for part in ("f.csv", "line 2", "60 of 60", "ts_format", "5%", "time_format"):
        assert part in error


@pytest.mark.parametrize(
    ("price", "value"), [("1.299,50", 1299.5), ("12.000", 12_000.0), ("1.234.567,8", 1_234_567.8), ("7,25", 7.25)]
)
def test_a_thousands_mark_between_whole_groups(tmp_path: Path, price: str, value: float) -> None:
    content = text([*body(), line(99, price=price.replace(",", ";;"))]).replace(",", ";").replace(";;", ",")
    content = content.replace(".50", ",50")
    found = read(tmp_path, content, delimiter=";", decimal=",", thousands=".")
    assert found.accepted["price"].to_list()[-1] == value


@pytest.mark.parametrize("price", ["1.29,50", "1,299.50", "1.2999"])
def test_a_thousands_mark_elsewhere_is_no_number(tmp_path: Path, price: str) -> None:
    content = text([*body(), line(99, price=price.replace(",", ";;"))]).replace(",", ";").replace(";;", ",")
    found = read(
        tmp_path, content.replace("3.50;", "3,50;"), delimiter=";", decimal=",", thousands=".", max_bad_share=1
    )
    assert "number_format" in found.report.quarantined


def test_bad_counts_every_quarantined_row(tmp_path: Path) -> None:
    found = read(tmp_path, text([*body(), "x", line(99, quantity="0"), line(0)]))
    assert bad(found) == 3 == found.quarantined.height


@pytest.mark.parametrize(
    ("option", "value"),
    [("delimiter", ",,"), ("delimiter", '"'), ("decimal", "'"), ("thousands", "."),
     ("timezone", "Berlin"), ("time_format", "DD.MM.YYYY"),
     ("time_format", "%Q")],
)  # fmt: skip
def test_options_that_cannot_be_used_are_named(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=option):
        read(tmp_path, text(body()), **{option: value})


def test_a_pattern_that_is_no_regular_expression(tmp_path: Path) -> None:
    shop = Shop(non_products=NonProducts(patterns=("(",)))
    with pytest.raises(ConfigError, match="patterns"):
        read_table(TableSource(path=str(tmp_path / "f.csv")), "orders", shop, NOW)


@pytest.mark.parametrize(
    ("form", "written"),
    [("%d %b %Y %I:%M %p", "05 Mar 2026 01:30 PM"), ("%Y-%m-%dT%H:%M:%S%z", "2026-03-05T07:30:00-0500"),
     ("%-d.%-m.%Y %H:%M", "5.3.2026 13:30"), ("%Y%m%d%H%M", "202603051330")],
)  # fmt: skip
def test_declared_time_formats(tmp_path: Path, form: str, written: str) -> None:
    rows = [line(i, time=written) for i in range(5)]
    found = read(tmp_path, text(rows), time_format=form)
    assert set(found.accepted["time"]) == {epoch("2026-03-05T13:30:00+01:00")}


def test_headers_with_odd_names(tmp_path: Path) -> None:
    assert "header" in str(refuse(tmp_path, (HEADER + ",gr\xf6sse").encode("latin-1") + b"\n"))
    names = ["product", "", "source", "updated:epoch", "Size: EU", "twice"]
    found = read(tmp_path, "\n".join([",".join(names), "p1,a,b,c,d,e"]), table="products")
    assert found.accepted.columns[-2:] == ["Size: EU", "twice"]
    assert found.report.extra_columns == ("", "source", "updated:epoch")


def test_nested_attributes_of_products_are_left_out(tmp_path: Path) -> None:
    table = pl.DataFrame({"product": ["p1"], "tags": [["a", "b"]], "size": ["S"]})
    found = read(tmp_path, parquet(tmp_path, table), table="products", name="g.parquet")
    assert found.report.extra_columns == ("tags",)
    assert found.accepted["size"].to_list() == ["S"]


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    for url in ("not a url", "nosuch://host/db", f"sqlite:///{tmp_path}/no/such/folder.db"):
        with pytest.raises(DataError, match="query"):
            read_table(TableSource(url=url, query="SELECT 1"), "orders", SHOP, NOW)
