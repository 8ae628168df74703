"""From a dirty file of your own to a published night, as a person types it."""

from __future__ import annotations

import random
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from recsys import publication
from recsys.cli import build
from recsys.data.lake import Lake

DAYS, CUSTOMERS, PRODUCTS = 70, 40, 24
DIRT = [
    'A1;K1;P01;eins;"3,50";05.01.2024 10:00;Becher',  # no number
    'A2;K1;P01;1;"3,50";45.01.2024 10:00;Becher',  # no day
    'A3;K1;;1;"3,50";05.01.2024 10:00;Becher',  # no product
    "A4;K1;P01",  # too few cells
]


def dirty(file: Path) -> int:
    """A German shop's export in CP1252: semicolons, decimal commas, returns, copies, dirt; returns its rows."""
    rng, first = random.Random(2), date(2024, 1, 1)
    rows = []
    for day in range(DAYS):
        for order in range(14):
            who, when = rng.randrange(CUSTOMERS), first + timedelta(day)
            for item in rng.sample(range(PRODUCTS // 2), 2):
                product = 2 * item + who % 2  # two tribes
                rows.append(
                    f'R{day}-{order};K{who:02d};P{product:02d};1;"{3 + item},50";'
                    f"{when:%d.%m.%Y} {8 + order:02d}:15;Becher für {product}"
                )
    gone = [row.replace(";1;", ";-1;") for row in rows[40:400:60]]
    rows = [*rows, *gone, *rows[:5], *DIRT]
    header = "Bestellnummer;Kundennummer;Artikelnummer;Menge;Einzelpreis;Datum;Bezeichnung"
    file.write_bytes("\r\n".join([header, *rows, ""]).encode("cp1252"))
    return len(rows)


def typed(*words: str) -> str:
    done = CliRunner().invoke(build(), list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_a_dirty_file_is_described_checked_and_lived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSYS_CONFIG", raising=False)
    monkeypatch.setenv("RECSYS_TRACKING__URL", "http://127.0.0.1:9")  # nobody listens, and the night does not mind
    began, rows = time.monotonic(), dirty(tmp_path / "export.csv")
    assert "recsys.toml is written." in typed("init", "export.csv", "--name", "becher")
    checked = typed("check")
    assert f"{rows:,} rows = {rows - 9:,} accepted + 9 quarantined" in checked
    for reason in ("5 duplicate", "1 columns", "1 product_missing", "1 qty", "1 ts_invalid"):
        assert f"quarantined {reason}\n" in checked
    told = typed("run", "--contenders", "popularity_28d,buy_again,item_neighbours,complements")
    assert "item_neighbours is the first champion" in told.replace("\n", " ")
    assert "gen-000001" in told
    assert time.monotonic() - began < 60
    lake = Lake(str(tmp_path / ".runtime" / "lake"))
    lists, products = (
        publication.read_table(lake, publication.current(lake), f"{name}.parquet") for name in ("lists", "products")
    )
    assert lists.filter(pl.col("customer").str.starts_with("K"))["customer"].n_unique() == CUSTOMERS
    assert set(lists["product"]) == set(products["product"]) == {f"P{p:02d}" for p in range(PRODUCTS)}
    assert "Becher für 7" in products["title"].to_list()
