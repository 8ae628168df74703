"""Figures: a contender's metric by group of customers and what its fit reported per epoch; all contenders' costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsys.config import Settings
from recsys.contest.pareto import Point, pareto_front

Json = Mapping[str, Any]
INK, MARK = "#334155", "#c2410c"


def figures(record: Json, epochs: Sequence[Json], settings: Settings) -> Iterator[tuple[str, Any]]:
    """Name and figure of everything there is to draw about one contender."""
    groups = _groups(record, settings)
    if groups:
        yield "groups.png", groups_figure(str(record["name"]), groups, settings)
    curves = _curves(epochs)
    if curves:
        yield "epochs.png", epochs_figure(str(record["name"]), curves)


def groups_figure(name: str, groups: Mapping[str, tuple[float, int]], settings: Settings) -> Any:
    """A bar per group of held-out customers, labelled with its n."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.4 + 0.4 * len(groups)), layout="constrained")
    axes = figure.subplots()
    labels = [f"{group}, n = {n:,}" for group, (_, n) in groups.items()]
    bars = axes.barh(range(len(groups)), [mean for mean, _ in groups.values()], color=INK, height=0.6)
    axes.bar_label(bars, fmt="%.4f", padding=4)
    axes.set_yticks(range(len(groups)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title(f"{name}: {settings.contest.primary} by group of held-out customers", loc="left", fontsize=11)
    axes.set_xlabel(f"{settings.contest.primary}, track: {settings.contest.track}")
    return figure


def epochs_figure(name: str, curves: Mapping[str, Sequence[tuple[int, float]]]) -> Any:
    """One panel per number that was reported, over epochs: they have different units."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.2 * len(curves)), layout="constrained")
    panels = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (told, points) in zip(panels, curves.items(), strict=True):
        axes.plot([step for step, _ in points], [value for _, value in points], "o-", color=MARK, markersize=3)
        axes.set_ylabel(told)
        axes.grid(alpha=0.3)
    panels[0].set_title(f"{name}: what the fit reported", loc="left", fontsize=11)
    panels[-1].set_xlabel("epoch")
    return figure


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


def _groups(record: Json, settings: Settings) -> dict[str, tuple[float, int]]:
    card = dict(record.get("tracks", {})).get(settings.contest.track, {})
    found = {
        group: (told.get(settings.contest.primary), told.get("n")) for group, told in card.get("groups", {}).items()
    }
    return {group: (float(mean), int(n or 0)) for group, (mean, n) in found.items() if mean is not None}


def _curves(epochs: Sequence[Json]) -> dict[str, list[tuple[int, float]]]:
    """Points per name, at least two of them; seconds are no curve."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in epochs:
        for told, value in line.items():
            if told not in ("step", "seconds") and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(str(told), []).append((int(line["step"]), float(value)))
    return {told: points for told, points in found.items() if len(points) > 1}
