"""The generation before tonight's, and the tables of both that some generations lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys import publication
from recsys.publication import Entry
from recsys.report.page import Json, Page

if TYPE_CHECKING:
    import polars as pl

BESIDE = ("beside", "rank", "product", "contender")


def before(page: Page) -> Entry | None:
    """The newest generation before tonight's; None on the first night."""
    now, day = page.tonight, int(page.night["day"])
    older = [e for e in page.history if (now is None or e.number < now.number) and int(e.manifest["day"]) <= day]
    return older[-1] if older else None


def decision_of(page: Page, entry: Entry) -> Json:
    """The decision that was taken on an earlier night."""
    closed = page.lake.read_json(str(entry.manifest["night"]))
    found: Json = page.lake.read_json(str(closed["decision"]))
    return found


def table_of(page: Page, entry: Entry, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame | None:
    """Columns of one published table, all by default; None where the generation has none of that name."""
    return publication.read_table(page.lake, entry, name, columns) if name in entry.manifest["files"] else None
