"""What every file brought, what was kept apart and why, and what kind of lines the orders are."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.data.ingest import day_name
from recsys.report.page import Json, Page
from recsys.report.tables import Column, count, fold, join, paragraph, share, table, tiles

TITLE = "Data and quarantine"
SHOWN = 12  # files, newest first; the others are folded


def build(page: Page) -> str | None:
    """Rows in = accepted + quarantined, per file."""
    files: list[Json] = page.lake.read_jsons(page.lake.paths("ingests"))
    files.sort(key=lambda record: -int(record.get("number", 0)))
    reports = [record["report"] for record in files]
    if not reports:
        return None
    total, kept = (sum(report[name] for report in reports) for name in ("rows_in", "accepted"))
    apart = share((total - kept) / total if total else None, 2)
    rest = reports[SHOWN:]
    return join(
        paragraph(f"{count(total - kept)} of {count(total)} rows ({apart}) were kept apart; no row is dropped unseen."),
        _orders([report for report in reports if report.get("table") == "orders"]),
        _returned(page.night.get("returns", {})),
        _table("Files in the lake, the newest first", reports[:SHOWN]),
        fold(f"{len(rest)} older files", _table("Older files", rest)) if rest else None,
    )


def _orders(reports: Sequence[Json]) -> str | None:
    """The period the order lines cover and what they are."""
    kinds = {
        kind: sum(report.get("kinds", {}).get(kind, 0) for report in reports)
        for kind in ("sale", "return", "non_product")
    }
    lines = sum(kinds.values())
    days = [report[end] for report in reports for end in ("first_day", "last_day") if report.get(end) is not None]
    if not lines or not days:
        return None
    first, last = (day_name(day) for day in (min(days), max(days)))
    guests = sum(report.get("guests", 0) for report in reports)
    return tiles(
        [
            ("Order lines from", f"{first} to {last}"),
            ("Lines sold", count(kinds["sale"])),
            ("Lines of guests", share(guests / lines)),
            ("Returned", share(kinds["return"] / lines)),
            ("Fees and other non-products", share(kinds["non_product"] / lines)),
            ("Lines that came late", count(sum(report.get("late", 0) for report in reports))),
        ]
    )


def _returned(told: Json) -> str | None:
    """Returns are taken off the customer's latest earlier purchase; what finds none is counted, not guessed."""
    if not told.get("lines"):
        return None
    lost, guests = int(told["unmatched_lines"]), int(told["guest_lines"])
    return paragraph(
        f"Of {count(told['lines'])} return lines {count(told['lines'] - lost)} were taken off the purchase they belong "
        f"to. {count(lost)} ({count(told['unmatched_units'])} units) found none, {count(guests)} of them guests'."
    )


def _table(caption: str, reports: Sequence[Json]) -> str:
    columns = [
        "File",
        "Rows in",
        "Accepted",
        "Quarantined",
        Column("Why, rows", words=True),
        Column("Accepted with a warning, rows", words=True),
    ]
    return table(caption, columns, [_row(report) for report in reports])


def _row(report: Json) -> tuple[object, ...]:
    name, rows, kept = report["name"].rsplit("/", 1)[-1], report["rows_in"], report["accepted"]
    told = (_told(report[why]) for why in ("quarantined", "warnings") if why in report)
    return name, count(rows), count(kept), count(rows - kept), *told


def _told(counts: Json) -> str:
    return ", ".join(f"{reason.replace('_', ' ')} {count(n)}" for reason, n in counts.items()) or "none"
