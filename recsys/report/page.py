"""The nightly page: one self-contained HTML file a product owner reads in two minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.report.figures import leaderboard_bars

Json = Mapping[str, Any]
TRACKS = {
    "new": ("New products", "ndcg", "NDCG@{}, products the customer never bought"),
    "repeats": ("With repeats", "ndcg", "NDCG@{}, whatever was bought"),
    "basket": ("Complete a basket", "hit", "hit@{}, one item shown, one hidden"),
}
SECTIONS: tuple[str, ...] = ()  # modules of report/sections, in the order they are read; each has build(page)


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


def write(page: Page) -> str:
    """Render the page into the runtime folder; returns its path. Same night, same page."""
    settings, night, published = page.settings, page.night, page.published
    html = render(page)
    folder = settings.runtime_folder / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{night['as_of']}-{night['key'][:8]}.html"
    file.write_text(html, encoding="utf-8")
    if published["current"] or not (folder / "latest.html").exists():
        (folder / "latest.html").write_text(html, encoding="utf-8")
    return str(file)


def render(page: Page) -> str:
    """The page as text."""
    settings, night, decision, published = page.settings, page.night, page.decision, page.published
    templates = environment()
    k = settings.contest.at[0]
    templates.filters |= {"interval": interval, "shown": lambda row: shown(row, settings.contest.track, k)}
    board = decision["leaderboard"]
    rows = [row for row in board if row["status"] == "ok"]
    text: str = templates.get_template("page.html").render(
        shop=settings.shop.name,
        night=night,
        decision=decision,
        published=published,
        rows=rows,
        lost=[row for row in board if row["status"] != "ok"],
        tracks={name: (title, f"{metric}_at_{k}", tip.format(k)) for name, (title, metric, tip) in TRACKS.items()},
        bars=leaderboard_bars(rows, settings.contest.track, settings.contest.primary, decision["champion"]),
        quarantine=_quarantine(page.lake),
        tests=decision["tests"],
        sections=[html for name in SECTIONS if (html := section(name, page))],
    )
    return text


def section(name: str, page: Page) -> str | None:
    """HTML of one optional section; None where the night has nothing to say under that heading."""
    built: str | None = import_module(f"recsys.report.sections.{name}").build(page)
    return built


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


def interval(row: Json, track: str, metric: str) -> str:
    """`0.0982 [0.0890, 0.1071]` or n/a."""
    found = row["tracks"].get(track, {}).get("metrics", {}).get(metric)
    if not found or found["mean"] is None:
        return "n/a"
    return f"{found['mean']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


def shown(row: Json, track: str, k: int) -> str:
    """Share of the catalogue in somebody's first k places, or n/a."""
    share = row["tracks"].get(track, {}).get("whole", {}).get(f"coverage_at_{k}")
    return "n/a" if share is None else f"{share:.1%}"


def _quarantine(lake: Lake) -> list[Json]:
    """What every ingested file brought, and what of it was kept apart, by reason."""
    return [lake.read_json(path)["report"] for path in lake.paths("ingests")]
