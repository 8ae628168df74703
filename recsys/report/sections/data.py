"""What every file brought, what was kept apart and why."""

from __future__ import annotations

from recsys.report.page import Json, Page
from recsys.report.tables import Column, count, join, paragraph, share, table

TITLE = "Data and quarantine"


def build(page: Page) -> str | None:
    """Rows in = accepted + quarantined, per file, newest last."""
    files = [page.lake.read_json(path)["report"] for path in page.lake.paths("ingests")]
    if not files:
        return None
    total = sum(file["rows_in"] for file in files)
    kept = sum(file["accepted"] for file in files)
    apart = share((total - kept) / total if total else None, 2)
    columns: list[str | Column] = ["File", "Rows in", "Accepted", "Quarantined", Column("Why, rows", words=True)]
    return join(
        paragraph(f"{count(total - kept)} of {count(total)} rows ({apart}) were kept apart; no row is dropped unseen."),
        table("Every file in the lake", columns, [_row(file) for file in files]),
    )


def _row(file: Json) -> tuple[object, ...]:
    why = ", ".join(f"{reason} {count(n)}" for reason, n in file["quarantined"].items())
    name = file["name"].rsplit("/", 1)[-1]
    return name, count(file["rows_in"]), count(file["accepted"]), count(file["rows_in"] - file["accepted"]), why
