"""The nightly page: one self-contained HTML file a product owner reads in two minutes, an engineer in ten.

The frame is page.html; what stands in it are the sections, modules of report/sections (how to write one: tables.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.errors import RecsysError
from recsys.publication import Entry
from recsys.report.tables import paragraph

if TYPE_CHECKING:
    import polars as pl

    from recsys.data.marketplace import MarketTruth
    from recsys.report.sellers import Sellers

Json = Mapping[str, Any]
FOLDER = "reports"  # of the lake and of the runtime folder
LISTS = ("customer", "rank", "product")  # columns of the lists that a page needs
SECTIONS = (  # modules of report/sections, in the order they are read
    "decision",
    "leaderboard",
    "segments",
    "cost",
    "money",
    "demand",
    "assortment",
    "experiments",
    "truth",
    "sellers",
    "changes",
    "published",
    "data",
)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """What a section may read. facts: what the optional tasks of the night left, by task."""

    settings: Settings
    lake: Lake
    night: Json
    backtests: Sequence[Json]
    decision: Json
    published: Json
    facts: Mapping[str, Json]

    @property
    def name(self) -> str:
        """What the night's files are called."""
        return f"{self.night['as_of']}-{self.night['key'][:8]}"

    @property
    def ranked(self) -> list[Json]:
        """Leaderboard rows that came to an end, best first."""
        return [row for row in self.decision["leaderboard"] if row["status"] == "ok"]

    @cached_property
    def history(self) -> tuple[Entry, ...]:
        """Every published generation, oldest first."""
        return tuple(entry for entry in publication.entries(self.lake) if entry.kind == "publish")

    @cached_property
    def tonight(self) -> Entry | None:
        """The generation this night published; None where it published none."""
        return next((e for e in self.history if e.name == self.published.get("generation")), None)

    @cached_property
    def lists(self) -> pl.DataFrame | None:
        """Columns LISTS of tonight's lists; None where nothing was published."""
        return None if self.tonight is None else publication.read_table(self.lake, self.tonight, "lists.parquet", LISTS)

    @cached_property
    def products(self) -> pl.DataFrame | None:
        """The catalogue tonight's lists refer to; None where nothing was published."""
        return None if self.tonight is None else publication.read_table(self.lake, self.tonight, "products.parquet")

    @cached_property
    def truth(self) -> MarketTruth | None:
        """What a simulated shop's orders were drawn from; None for a real shop."""
        from recsys.report.oracle import truth_of

        return truth_of(self.settings)

    @cached_property
    def sales(self) -> pl.DataFrame:
        """One row per order and product sold up to the night, returns taken back (`dataset.sales_until`)."""
        from recsys.data.dataset import sales_until
        from recsys.data.ingest import lake_orders

        day = int(self.night["day"])
        table: pl.DataFrame = sales_until(lake_orders(self.lake, day), day)
        return table

    @cached_property
    def sellers(self) -> Sellers | None:
        """Figures per seller; None where the shop has one."""
        from recsys.report.sellers import sellers_of

        return sellers_of(self)


@dataclass(frozen=True)
class Section:
    """One built section: where it is linked to, its heading, its HTML."""

    name: str
    title: str
    html: str


def write(page: Page) -> str:
    """Store the page and its sellers' pages under reports/; returns the path of its copy. Same night, same page.

    Machines that share no disk share the lake; the copy in the runtime folder is for a browser on this one.
    """
    files = _sellers(page) | {f"{page.name}.html": render(page)}
    for store in (page.lake, Lake(str(page.settings.runtime_folder))):
        for name, html in files.items():
            store.point(f"{FOLDER}/{name}", html.encode())
        if page.published["current"] or not store.exists(f"{FOLDER}/latest.html"):
            store.point(f"{FOLDER}/latest.html", files[f"{page.name}.html"].encode())
    return str(page.settings.runtime_folder / FOLDER / f"{page.name}.html")


def _sellers(page: Page) -> dict[str, str]:
    """HTML of every seller's page, by its name under FOLDER."""
    from recsys.report import seller_page

    try:
        if (found := page.sellers) is None:
            return {}
        return {f"{page.name}/{one.file}": seller_page.render(page, one, found) for one in found.pages}
    except Exception:  # the section says why; the night's page is written all the same
        log.exception("The sellers' pages were not written.")
        return {}


def render(page: Page) -> str:
    """The page as text."""
    night, shop = page.night, page.settings.shop.name
    sections = [built for name in SECTIONS if (built := section(name, page))]
    return frame(f"{shop}: night of {night['as_of']}", sections, f"Contest {night['key'][:8]}, run {night['run']}.")


def frame(title: str, sections: Sequence[Section], foot: str) -> str:
    """Sections within the look that every page shares."""
    text: str = environment().get_template("page.html").render(title=title, sections=sections, foot=foot)
    return text


def section(name: str, page: Page) -> Section | None:
    """One section; None where the night has nothing to say under that heading.

    A section that fails says so in its place: the others are read all the same.
    """
    code = import_module(f"recsys.report.sections.{name}")
    try:
        html = code.build(page)
    except Exception as error:  # whatever a section's facts look like: the page is written
        log.exception("The section %s of the report failed.", name)
        why = str(error) if isinstance(error, RecsysError) else f"{type(error).__name__}, see the log"
        html = paragraph(f"This section could not be built: {why}.", "soft")
    return None if html is None else Section(name, code.TITLE, str(html))


def environment() -> Any:
    """Jinja2 over this folder, everything escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
