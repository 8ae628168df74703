"""Which products each segment should carry: what to add, drop and keep, what that is worth, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys.data.lake import ref_from
from recsys.report.page import Json, Page
from recsys.report.tables import Column, bullets, count, fold, heading, join, number, paragraph, share, table

if TYPE_CHECKING:
    import polars as pl

TITLE = "Assortments"
SHOWN = 10  # products per action and segment; the file has them all
ACTIONS = {"add": "To add", "drop": "To drop", "keep": "To keep"}


def build(page: Page) -> str | None:
    """None where nothing was planned and nothing went wrong."""
    facts = page.facts.get("assortment", {})
    if not facts.get("segments"):
        return paragraph(facts["reason"]) if facts.get("reason") else None
    changes = page.lake.read_frame(ref_from(facts["tables"]["assortment"]))
    titles = _titles(page)
    parts = [_segment(segment, changes, titles) for segment in facts["segments"]]
    return join(paragraph(facts["reason"], "lead"), _summary(page, facts), *parts, _skipped(facts))


def _summary(page: Page, facts: Json) -> str:
    currency, size = page.settings.shop.currency, facts["size"]
    columns = ["Segment", "Orders lately, n", Column("Today", tip=f"{currency} per customer"),
               Column("Best", tip=f"{currency} per customer"), Column("Gap", tip="to the certified bound"),
               "Buyers", "Add", "Drop", "Keep", Column("Choice model", words=True)]  # fmt: skip
    rows = [
        (s["segment"], count(s["orders"]), number(s["value_today"], 3), number(s["value"], 3), share(s["gap"], 2),
         share(s["buyers"]), s["add"], s["drop"], s["keep"], f"{s['source']} ({s['model']})")
        for s in facts["segments"]
    ]  # fmt: skip
    note = (f"Today = the {size} products that sell most there lately, under the same choice model. Revenue of a "
            "purchase at the product's last price; what is not carried is bought elsewhere or not at all.")  # fmt: skip
    return join(table(f"At most {size} products per segment", columns, rows), paragraph(note, "soft"), _trust(facts))


def _trust(facts: Json) -> str | None:
    """How good a choice model the calibrated champion is."""
    found = facts.get("calibration")
    if not found:
        return None
    return paragraph(
        f"Calibrated on the purchases of {count(found['customers'])} customers in {found['days']} held-out days: "
        f"log-likelihood {number(found['log_likelihood'], 3)} per purchase; on the other half of them "
        f"{share(found['ece'])} of purchases were expected in the wrong tenth of chances (ECE by purchases).", "soft",
    )  # fmt: skip


def _segment(segment: Json, changes: pl.DataFrame, titles: dict[str, str]) -> str:
    import polars as pl

    mine = changes.filter(pl.col("segment") == segment["segment"])
    columns = ["Product", Column("Title", words=True), Column("Worth", tip="per customer"), "Share",
               Column("Why", words=True)]  # fmt: skip
    tables = []
    for action, words in ACTIONS.items():
        rows = mine.filter(pl.col("action") == action)
        body = [
            (r["product"], titles.get(r["product"], ""), number(r["value"], 4),
             f"{share(r['share_before'], 2)} to {share(r['share_after'], 2)}", r["reason"])
            for r in rows.head(SHOWN).iter_rows(named=True)
        ]  # fmt: skip
        if body:
            tables.append(table(f"{words}: {len(body)} of {rows.height}", columns, body))
    rules = [f"{b['rule']}: costs {number(b['cost'], 4)} per customer" for b in segment["binding"]]
    rest = bullets([*rules, *segment["notes"]]) if rules or segment["notes"] else None
    return join(heading(segment["segment"]), rest, fold(f"Products of {segment['segment']}", join(*tables)))


def _skipped(facts: Json) -> str | None:
    if not facts["skipped"]:
        return None
    return fold(f"{len(facts['skipped'])} segments without an assortment of their own",
                bullets(f"{s['segment']}: {s['reason']}" for s in facts["skipped"]))  # fmt: skip


def _titles(page: Page) -> dict[str, str]:
    """Titles of the generation's products, where the night published one."""
    return {} if page.products is None else dict(page.products.select("product", "title").iter_rows())
