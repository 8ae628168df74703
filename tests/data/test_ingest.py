"""Files into the lake: once per content, by day, complete or not at all, and counted."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import polars as pl
import pytest

from recsys.config import Settings, TableSource, parse
from recsys.data.ingest import day_range, expand, ingest, lake_exposures, lake_orders, lake_table, sources_of
from recsys.data.lake import Lake
from recsys.errors import DataError, EmptyError, StoreError
from tests.data.order_files import HEADER, NOW, SHOP, body, line, text


def put(folder: Path, rows: list[str], name: str = "a.csv") -> TableSource:
    (folder / name).write_text(text(rows))
    return TableSource(path=str(folder / name))


def bring(lake: Lake, source: TableSource, table: str = "orders", **options: bool):  # type: ignore[no-untyped-def]
    return ingest(lake, {table: source}, SHOP, now=NOW, **options)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def number(day: str) -> int:
    return (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days


def test_partitions_by_day_and_reading_up_to_a_day(lake: Lake, tmp_path: Path) -> None:
    report = bring(lake, put(tmp_path, body()))
    assert (report.rows_in, report.accepted) == (60, 60)
    assert (report.first_day, report.last_day) == day_range(lake) == (number("2026-03-01"), number("2026-03-20"))
    folders = {Path(path).parts[1] for path in lake.paths("orders")}
    assert "day=2026-03-02" in folders
    assert lake_orders(lake, number("2026-03-20")).collect().height == 60
    early = lake_orders(lake, number("2026-03-05")).collect()
    assert early["day"].max() == number("2026-03-05")
    assert 0 < early.height < 60
    with pytest.raises(EmptyError):
        lake_orders(lake, number("2026-02-28"))


def test_later_partitions_are_not_opened(lake: Lake, tmp_path: Path) -> None:
    bring(lake, put(tmp_path, body()))
    for path in lake.paths("orders/day=2026-03-20"):
        (Path(lake.root) / path).write_bytes(b"poison")
    assert lake_orders(lake, number("2026-03-19")).collect().height < 60
    with pytest.raises(StoreError, match="damaged"):
        lake_orders(lake, number("2026-03-20"))


def test_b33_the_same_content_again_is_a_reported_no_op(lake: Lake, tmp_path: Path) -> None:
    source = put(tmp_path, body())
    bring(lake, source)
    before = {path: lake.read(path) for path in lake.paths(".")}
    renamed = put(tmp_path, body(), "renamed.csv")
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(text(body()).encode()))
    for again in (source, renamed, TableSource(path=str(packed))):
        report = bring(lake, again)
        assert [f.skipped for f in report.files] == [True]
        assert report.files[0].name == again.path
        assert report.rows_in == 0
    assert {path: lake.read(path) for path in lake.paths(".")} == before


def test_the_same_files_give_the_same_lake(tmp_path: Path) -> None:
    source = put(tmp_path, [*body(), line(0), "bad"])
    lakes = [Lake(str(tmp_path / name)) for name in ("one", "two")]
    for each in lakes:
        bring(each, source)
    assert {p: lakes[0].read(p) for p in lakes[0].paths(".")} == {p: lakes[1].read(p) for p in lakes[1].paths(".")}


def test_late_rows_land_in_their_day_and_are_counted(lake: Lake, tmp_path: Path) -> None:
    bring(lake, put(tmp_path, body()))
    late = [line(100, order="x1", time="2026-03-04 10:00"), line(101, order="x2", time="2026-03-21 10:00")]
    report = bring(lake, put(tmp_path, late, "b.csv"))
    assert report.files[0].late == 1
    assert "x1" in lake_orders(lake, number("2026-03-04")).collect()["order"].to_list()
    assert report.last_day == number("2026-03-21")


def test_overlapping_files_count_a_line_once(lake: Lake, tmp_path: Path) -> None:
    bring(lake, put(tmp_path, body()))
    more = [*body()[50:], line(70, order="new")]
    report = bring(lake, put(tmp_path, more, "b.csv"))
    assert report.files[0].quarantined == {"known_line": 10}
    assert report.files[0].accepted == 1
    assert lake_orders(lake, 99_999).collect().height == 61


def test_copies_that_are_kept_are_known_copy_by_copy(lake: Lake, tmp_path: Path) -> None:
    def keep(rows: list[str], name: str) -> TableSource:
        return put(tmp_path, rows, name).model_copy(update={"duplicates": "keep"})

    bring(lake, keep([line(0), line(0)], "a.csv"))
    report = bring(lake, keep([line(0), line(0), line(0)], "b.csv"))
    assert (report.files[0].accepted, report.files[0].quarantined) == (1, {"known_line": 2})


def test_a_refused_file_loads_nothing_and_stops_nobody(lake: Lake, tmp_path: Path) -> None:
    put(tmp_path, body())
    put(tmp_path, ["x"] * 5, "b.csv")
    source = TableSource(path=str(tmp_path / "*.csv"))
    with pytest.raises(DataError, match=r"b\.csv"):
        bring(lake, source)
    report = bring(lake, source, strict=False)
    assert [f.skipped for f in report.files] == [True]
    assert "too_many_bad" in report.refused[str(tmp_path / "b.csv")]
    assert lake_orders(lake, 99_999).collect().height == 60


def test_a_killed_ingest_is_invisible_and_completed_by_the_next(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(tmp_path, body())
    writes = 0

    def die(self: Lake, path: str, blob: bytes, rows: int = 0) -> object:
        nonlocal writes
        writes += 1
        if writes > 5:
            raise KeyboardInterrupt
        return honest(self, path, blob, rows)

    honest = Lake.put_new
    monkeypatch.setattr(Lake, "put_new", die)
    with pytest.raises(KeyboardInterrupt):
        bring(lake, source)
    monkeypatch.undo()
    assert len(list(lake.paths("orders"))) == 5
    with pytest.raises(EmptyError):
        lake_orders(lake, 99_999)
    assert bring(lake, source).accepted == 60
    assert lake_orders(lake, 99_999).collect().height == 60


def test_quarantined_rows_are_kept_with_reason_text_and_line(lake: Lake, tmp_path: Path) -> None:
    bring(lake, put(tmp_path, [*body(), line(99, quantity="0")]))
    (path,) = lake.paths("quarantine/orders")
    row = lake.read_frame(path).row(0, named=True)
    assert (row["reason"], row["source_line"], row["raw"]) == ("qty", 62, line(99, quantity="0"))


def test_b61_hostile_ids_and_names_are_never_paths(lake: Lake, tmp_path: Path) -> None:
    bring(lake, put(tmp_path, [*body(), line(99, order="../../../x", product="..", customer="/etc/passwd")]))
    known = {"orders", "quarantine", "ingests"}
    assert {Path(path).parts[0] for path in lake.paths(".")} <= known
    assert all(".." not in path for path in lake.paths("."))


def test_products_the_latest_file_wins_and_attributes_may_grow(lake: Lake, tmp_path: Path) -> None:
    for name, content in (("z.csv", "product,colour\np1,red\np2,red\n"), ("a.csv", "product,size\np1,XL\np3,S\n")):
        (tmp_path / name).write_text(content)
        bring(lake, TableSource(path=str(tmp_path / name)), "products")
    table = lake_table(lake, "products")
    assert table is not None
    assert table.select("product", "colour", "size").rows() == [
        ("p1", None, "XL"),
        ("p2", "red", None),
        ("p3", None, "S"),
    ]
    assert lake_table(lake, "customers") is None


def test_b68_an_order_for_an_unknown_product_is_kept(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("product\nq\n")
    bring(lake, TableSource(path=str(tmp_path / "p.csv")), "products")
    assert bring(lake, put(tmp_path, body())).accepted == 60


def test_a_database_is_read_once_per_content(lake: Lake, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    frame = pl.DataFrame([r.split(",") for r in body()], schema=HEADER.split(","), orient="row")
    frame.write_database("lines", url, engine="sqlalchemy")
    source = TableSource(url=url, query="SELECT * FROM lines ORDER BY rowid")
    assert bring(lake, source).accepted == 60
    assert bring(lake, source).files[0].skipped


def test_a_pattern_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        list(expand(TableSource(path=str(tmp_path / "*.csv"))))


def test_sources_of_settings_have_absolute_paths(tmp_path: Path) -> None:
    settings: Settings = parse({"orders": {"path": "o/*.csv"}, "folder": str(tmp_path)})
    assert {t: s.path for t, s in sources_of(settings).items()} == {"orders": str(tmp_path / "o/*.csv")}


EXPOSED = "time,visitor,surface,slate,position,product,propensity,arm,outcome"
SHOWN = [
    "2026-03-01T10:00:00Z,c1,home,s1,1,p1,0.5,control,1",
    "2026-03-01T10:00:00Z,c1,home,s1,2,p2,0.25,control,0",
    "2026-03-02T11:00:00Z,c2,home,s2,1,p2,1,als,0",
]


def log(folder: Path, rows: list[str], name: str = "shown.csv") -> TableSource:
    (folder / name).write_text("\n".join([EXPOSED, *rows]) + "\n")
    return TableSource(path=str(folder / name), max_bad_share=1.0)


def test_exposures_come_through_the_same_door(lake: Lake, tmp_path: Path) -> None:
    report = bring(lake, log(tmp_path, SHOWN), "exposures")
    assert (report.rows_in, report.accepted) == (3, 3)
    assert report.first_day is None  # what was shown says nothing about how far the orders reach
    assert {Path(path).parts[1] for path in lake.paths("exposures")} == {"day=2026-03-01", "day=2026-03-02"}
    early = lake_exposures(lake, number("2026-03-01"))
    assert early is not None
    assert early["product"].to_list() == ["p1", "p2"]
    both = lake_exposures(lake, number("2026-03-02"))
    assert both is not None
    assert both["propensity"].to_list() == [0.5, 0.25, 1.0]
    again = bring(lake, log(tmp_path, SHOWN, "copy.csv"), "exposures")
    assert [f.skipped for f in again.files] == [True]
    more = bring(lake, log(tmp_path, [*SHOWN[2:], "2026-03-02T12:00:00Z,c9,home,s3,1,p1,0.1,als,0"]), "exposures")
    assert more.files[0].quarantined == {"known_line": 1}
    assert lake_exposures(lake, number("2026-02-28")) is None


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("propensity", "", "propensity"), ("propensity", "0", "propensity"), ("propensity", "1.01", "propensity"),
        ("propensity", "-0.2", "propensity"), ("propensity", "nan", "propensity"), ("outcome", "-3", "outcome"),
        ("outcome", "inf", "outcome"), ("outcome", "", "outcome"), ("position", "0", "position"),
        ("position", "1.5", "position"), ("visitor", "", "visitor_missing"), ("time", "", "time_missing"),
    ],
)  # fmt: skip
def test_an_impossible_exposure_is_kept_apart(lake: Lake, tmp_path: Path, column: str, value: str, reason: str) -> None:
    cells = dict(zip(EXPOSED.split(","), SHOWN[2].split(","), strict=True)) | {column: value}
    report = bring(lake, log(tmp_path, [*SHOWN[:2], ",".join(cells.values())]), "exposures").files[0]
    assert report.quarantined == {reason: 1}
    assert report.rows_in == report.accepted + sum(report.quarantined.values()) == 3


def test_a_place_of_a_slate_shows_one_product_once(lake: Lake, tmp_path: Path) -> None:
    other = SHOWN[1].replace("p2", "p3")
    report = bring(lake, log(tmp_path, [*SHOWN, SHOWN[2], other]), "exposures").files[0]
    assert report.quarantined == {"conflict": 2, "duplicate": 1}  # which of p2 and p3 stood second nobody knows


def test_what_a_log_leaves_out_has_a_default(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("time,visitor,propensity,outcome\n2026-03-01T10:00:00Z,c1,0.5,2.5\n")
    bring(lake, TableSource(path=str(tmp_path / "bare.csv")), "exposures")
    row = lake_exposures(lake, number("2026-03-01")).row(0, named=True)  # type: ignore[union-attr]
    assert (row["surface"], row["position"], row["arm"], row["slate"], row["product"]) == (
        "home", 1, "champion", None, None,
    )  # fmt: skip


def test_a_log_without_propensities_is_refused_and_stops_nothing(lake: Lake, tmp_path: Path) -> None:
    source = log(tmp_path, SHOWN)
    (tmp_path / "shown.csv").write_text((tmp_path / "shown.csv").read_text().replace("propensity", "chance"))
    sources = {"exposures": source, "orders": put(tmp_path, body())}
    report = ingest(lake, sources, SHOP, now=NOW)
    assert report.accepted == 60
    assert "lacks a column for propensity" in next(iter(report.refused.values()))
    assert "Without it only replay on uniformly random traffic" in next(iter(report.refused.values()))
