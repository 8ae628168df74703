"""Small order files to spoil: 60 valid lines of 40 orders, and the shortest way to read one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsys.config import Shop, TableSource
from recsys.data.frontdoor import Ingested, read_table

HEADER = "order,customer,product,quantity,price,time,title"
NOW = 1_780_000_000  # 2026-05-28
SHOP = Shop(timezone="Europe/Berlin", currency="EUR")


def line(i: int, **cells: str) -> str:
    """The i-th valid order line, with some cells replaced."""
    values = {
        "order": f"o{i * 2 // 3}",
        "customer": f"c{i % 7}",
        "product": f"p{i % 11}",
        "quantity": str(1 + i % 3),
        "price": f"{5 + i % 4}.50",
        "time": f"2026-03-{1 + i % 20:02d} 12:{i % 60:02d}:00",
        "title": f"title {i}",
    }
    return ",".join((values | cells).values())


def body(n: int = 60) -> list[str]:
    return [line(i) for i in range(n)]


def text(rows: Sequence[str], header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *rows]) + end


def read(folder: Path, content: str | bytes, table: str = "orders", name: str = "f.csv", **options: Any) -> Ingested:
    """Write a file, read it, and hold the law of conservation over it."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_table(TableSource(path=str(file), **options), table, SHOP, now=NOW)
    conserve(found)
    return found


def conserve(found: Ingested) -> None:
    report = found.report
    assert report.rows_in == found.accepted.height + found.quarantined.height == report.accepted + bad(found)
    lines = [*found.accepted["source_line"], *found.quarantined["source_line"]]
    assert len(set(lines)) == len(lines)


def bad(found: Ingested) -> int:
    return sum(found.report.quarantined.values())


def with_row(row: str, at: int = 30) -> str:
    """60 valid lines with one more row in between, on line `at + 2` of the file."""
    rows = body()
    return text([*rows[:at], row, *rows[at:]])
