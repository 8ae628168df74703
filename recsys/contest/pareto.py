"""Quality against training cost: one point per contender, and which of them nobody beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Point = tuple[str, float, float]  # contender, seconds of its fit, mean of the metric


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
