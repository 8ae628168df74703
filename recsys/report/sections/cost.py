"""What quality costs: every contender's metric against the seconds of its fit, the Pareto front marked."""

from __future__ import annotations

import math

from recsys.contest.pareto import pareto_front, points
from recsys.report.figures import Point, scatter
from recsys.report.page import Json, Page
from recsys.report.tables import count, join, metric_name, number, paragraph, table

TITLE = "Quality against training cost"
LEAST = 0.01  # seconds; what is faster stands there


def build(page: Page) -> str | None:
    """None where fewer than two contenders were scored."""
    contest = page.settings.contest
    found = points(page.ranked, contest.track, contest.primary)
    if len(found) < 2:
        return None
    front, unit = pareto_front(found), metric_name(contest.primary)
    dots = [Point(p[0], math.log10(max(p[1], LEAST)), p[2], marked=p in front) for p in found]
    by_name = {row["name"]: row for row in page.ranked}
    rows = [(p[0], number(p[2], 4), number(p[1], 2), *_rest(by_name[p[0]], contest.track)) for p in found]
    names = ", ".join(p[0] for p in front)
    others = " The others cost more for less." if len(front) < len(found) else ""
    return join(
        paragraph(f"Nobody is both cheaper and better than {names}: the filled points.{others}"),
        scatter(
            f"{unit} against the seconds of a fit",
            dots,
            ("fit, log10 of seconds", unit),
            f"n = {len(found)} contenders",
        ),
        table(
            "Cheapest first; those on the front stand out. The backtest's fit in a process of its own, one thread.",
            ["Contender", unit, "Fit, s", "Score, s", "Memory, MB"],
            rows,
            mark=[i for i, p in enumerate(found) if p in front],
        ),
    )


def _rest(row: Json, track: str) -> tuple[str | None, str | None]:
    """Seconds it took to answer the track's queries, and the most memory of the fit's process."""
    score = row["tracks"].get(track, {}).get("whole", {}).get("score_seconds")
    return number(score, 2), count(row.get("peak_memory_mb"))
