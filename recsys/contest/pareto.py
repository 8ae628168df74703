"""Quality against training cost: one point per contender, and which of them nobody beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Point = tuple[str, float, float]  # contender, seconds of its fit, mean of the metric
INK, MARK = "#334155", "#c2410c"


def points(rows: Sequence[Mapping[str, Any]], track: str, metric: str) -> list[Point]:
    """A point per leaderboard row that was fitted and scored, cheapest first."""
    found = []
    for row in rows:
        mean = row.get("tracks", {}).get(track, {}).get("metrics", {}).get(metric, {}).get("mean")
        if mean is not None and row.get("fit_seconds") is not None:
            found.append((str(row["name"]), float(row["fit_seconds"]), float(mean)))
    return sorted(found, key=lambda point: (point[1], -point[2], point[0]))


def pareto_front(found: Sequence[Point]) -> list[Point]:
    """Points that no other one beats: cheaper or as cheap, and better; cheapest first."""
    front: list[Point] = []
    for point in sorted(found, key=lambda p: (p[1], -p[2], p[0])):
        if not front or point[2] > front[-1][2]:
            front.append(point)
    return front


def cost_figure(found: Sequence[Point], metric: str) -> Any:
    """The plot as a matplotlib figure: the front in colour and joined by steps."""
    from matplotlib.figure import Figure

    front = pareto_front(found)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.step([p[1] for p in front], [p[2] for p in front], where="post", color=MARK, linewidth=1, zorder=1)
    for point in found:
        name, seconds, mean = point
        axes.plot([seconds], [mean], "o", color=MARK if point in front else INK, zorder=2)
        axes.annotate(name, (seconds, mean), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_title("Quality against training cost: nobody is both cheaper and better than the marked", fontsize=10)
    axes.set_xlabel("seconds of the fit")
    axes.set_ylabel(metric.replace("_at_", "@"))
    axes.grid(alpha=0.3)
    return figure
