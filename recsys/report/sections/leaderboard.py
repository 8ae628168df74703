"""All contenders under the same rules: figure, table, pairwise differences, and who did not come to an end."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.report.figures import Mark, intervals
from recsys.report.page import Json, Page
from recsys.report.tables import (
    Column,
    bullets,
    count,
    heading,
    interval,
    join,
    metric_name,
    number,
    paragraph,
    share,
    strong,
    table,
)

TITLE = "Leaderboard"
TRACKS = {
    "new": ("New products", "ndcg", "NDCG@{}, products the customer never bought"),
    "repeats": ("With repeats", "ndcg", "NDCG@{}, whatever was bought"),
    "basket": ("Complete a basket", "hit", "hit@{}, one item shown, one hidden"),
}


def build(page: Page) -> str | None:
    """None only where no contender was entered."""
    if not page.decision["leaderboard"]:
        return None
    return join(_figure(page), _table(page), _differences(page), _lost(page.decision["leaderboard"]))


def measured(row: Json, track: str, metric: str) -> Json | None:
    """A metric's mean, low, high and n; None where there is none."""
    found: Json | None = row.get("tracks", {}).get(track, {}).get("metrics", {}).get(metric)
    return found if found and found["mean"] is not None else None


def _figure(page: Page) -> str | None:
    contest, champion = page.settings.contest, page.decision["champion"]
    title, level = f"{metric_name(contest.primary)} by contender, the champion filled", contest.level
    found = [(row["name"], measured(row, contest.track, contest.primary)) for row in page.ranked]
    marks = [Mark(name, m["mean"], m["low"], m["high"], marked=name == champion) for name, m in found if m]
    n = max((m["n"] for _, m in found if m), default=0)
    return intervals(title, marks, metric_name(contest.primary), f"n = {n:,} held-out customers", level=level)


def _table(page: Page) -> str | None:
    rows, k = page.ranked, page.settings.contest.at[0]
    if not rows:
        return paragraph("No contender came to an end tonight.")
    sizes, champion, level = page.night["sizes"], page.decision["champion"], page.settings.contest.level
    columns: list[object] = ["Contender"]
    columns += [Column(title, tip=tip.format(k)) for title, _, tip in TRACKS.values()]
    columns += [Column("Catalogue shown", tip=f"in somebody's first {k}"), "Fit, s", "Memory, MB"]
    held = f"{count(sizes.get('held_customers'))} customers, {count(sizes.get('held_baskets'))} baskets"
    caption = f"Backtest on the last {page.settings.contest.days} days: {held}. Mean [{level:.0%} interval]."
    cells = [
        (
            row["name"],
            *(_cell(measured(row, track, f"{metric}_at_{k}")) for track, (_, metric, _) in TRACKS.items()),
            share(row["tracks"].get(page.settings.contest.track, {}).get("whole", {}).get(f"coverage_at_{k}")),
            number(row["fit_seconds"], 1),
            count(row["peak_memory_mb"]),
        )
        for row in rows
    ]
    return table(caption, columns, cells, mark=[i for i, row in enumerate(rows) if row["name"] == champion])


def _cell(found: Json | None) -> str | None:
    return interval(found["mean"], found["low"], found["high"]) if found else None


def _differences(page: Page) -> str | None:
    """Each challenger against the champion or the bar, on the same customers."""
    tests: Sequence[Json] = sorted(page.decision["tests"], key=lambda t: (-t["difference"], t["challenger"]))
    if not tests:
        return None
    unit, level = metric_name(page.settings.contest.primary), page.settings.contest.level
    marks = [
        Mark(t["challenger"], t["difference"], t["low"], t["high"], text=number(t["difference"], 4, True))
        for t in tests
    ]
    n = max(t["n"] for t in tests)
    title = f"Difference in {unit} to {tests[0]['against']}"
    columns = ["Challenger", f"Difference in {unit}", f"{level:.0%} interval", "Relative", "Customers, n", "p (Holm)"]
    rows = [
        (
            t["challenger"],
            number(t["difference"], 4, True),
            None if t["low"] is None else f"{t['low']:+.4f} to {t['high']:+.4f}",
            share(t.get("relative")),
            count(t["n"]),
            _chance(t["p_holm"]),
        )
        for t in tests
    ]
    return join(
        heading(f"Against {tests[0]['against']}, customer by customer"),
        intervals(title, marks, unit, f"n = {n:,} customers", level=level),
        table("Paired differences on the same customers; p is adjusted for the number of challengers.", columns, rows),
    )


def _chance(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else number(p, 4)


def _lost(board: Sequence[Json]) -> str | None:
    lost = [row for row in board if row["status"] != "ok"]
    if not lost:
        return None
    told = [join(strong(row["name"]), f": {row['status']}. {row['reason'] or ''}") for row in lost]
    return join(heading("Not in the contest tonight"), bullets(told))
