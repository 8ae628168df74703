"""What quality costs: every contender's metric against the seconds of its fit, the Pareto front marked."""

from __future__ import annotations

import math

from recsys.contest.pareto import pareto_front, points
from recsys.report.figures import Point, scatter
from recsys.report.page import Page
from recsys.report.tables import count, join, number, paragraph, table

TITLE = "Quality against training cost"
LEAST = 0.01  # seconds; what is faster stands there


def build(page: Page) -> str | None:
    """None where fewer than two contenders were scored."""
    contest = page.settings.contest
    found = points(page.ranked, contest.track, contest.primary)
    if len(found) < 2:
        return None
    front, unit = pareto_front(found), contest.primary.replace("_at_", "@").upper()
    dots = [Point(p[0], math.log10(max(p[1], LEAST)), p[2], marked=p in front) for p in found]
    memory = {row["name"]: row.get("peak_memory_mb") for row in page.ranked}
    rows = [(name, number(mean, 4), number(seconds, 2), count(memory[name])) for name, seconds, mean in found]
    names = ", ".join(p[0] for p in front)
    return join(
        paragraph(f"Nobody is both cheaper and better than {names}: the filled points. The others cost more for less."),
        scatter(
            f"{unit} against the seconds of a fit",
            dots,
            ("fit, log10 of seconds", unit),
            f"n = {len(found)} contenders",
        ),
        table(
            "Cheapest first; those on the front stand out. One thread, the backtest's fit, peak memory of its process.",
            ["Contender", unit, "Fit, s", "Memory, MB"],
            rows,
            mark=[i for i, p in enumerate(found) if p in front],
        ),
    )
