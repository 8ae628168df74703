"""What the night put where the shop reads it."""

from __future__ import annotations

from recsys.report.page import Page
from recsys.report.tables import Column, count, join, paragraph, share, table

TITLE = "What was published"
TABLES = {
    "lists.parquet": "what each customer and segment is shown next",
    "related.parquet": "products beside a product",
    "complements.parquet": "what completes a basket",
    "products.parquet": "the catalogue the lists refer to",
    "assortment.parquet": "which products each segment should carry",
    "choices.json.gz": "the choice model behind each segment's assortment",
}


def build(page: Page) -> str | None:
    """Tables with their rows, and which rung filled the places of the lists."""
    told = page.published
    if not told.get("generation"):
        return paragraph(told["why"])
    rows = [(name, TABLES.get(name, ""), count(n)) for name, n in told["rows"].items()]
    rungs = [(name, share(part, 2)) for name, part in told.get("rungs", {}).items()]
    return join(
        paragraph(told["why"]) if not told["current"] else None,
        table(f"Files of {told['generation']}", ["File", Column("What it holds", words=True), "Rows, n"], rows),
        table("Who filled the places of the lists", ["Rung", "Share of places"], rungs) if rungs else None,
    )
