"""Tonight's generation and the one before it, as a page reads them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from recsys import publication
from recsys.publication import Entry
from recsys.report.page import Json, Page

if TYPE_CHECKING:
    import polars as pl

LISTS = ("customer", "rank", "product")  # columns a page needs
BESIDE = ("beside", "rank", "product", "contender")


def tonight(page: Page) -> Entry | None:
    """The generation this night published; None where it published none."""
    name = page.published.get("generation")
    return next((e for e in _published(page) if e.name == name), None)


def before(page: Page) -> Entry | None:
    """The newest generation before tonight's; None on the first night."""
    now = tonight(page)
    day = int(page.night["day"])
    older = [
        e
        for e in _published(page)
        if (e.number < now.number if now is not None else True) and int(e.manifest["day"]) <= day
    ]
    return older[-1] if older else None


def decision_of(page: Page, entry: Entry) -> Json:
    """The decision that was taken on an earlier night."""
    closed = page.lake.read_json(str(entry.manifest["night"]))
    found: Json = page.lake.read_json(str(closed["decision"]))
    return found


def table_of(page: Page, entry: Entry, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame | None:
    """Columns of one published table, all by default; None where the generation has none of that name."""
    import polars as pl

    if name not in entry.manifest["files"]:
        return None
    return pl.read_parquet(
        BytesIO(publication.read_file(page.lake, entry, name)), columns=list(columns) if columns else None
    )


def _published(page: Page) -> list[Entry]:
    return [e for e in publication.entries(page.lake) if e.kind == "publish"]
