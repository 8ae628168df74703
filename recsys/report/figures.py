"""Figures as inline SVG: no script, no font, readable in dark mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

ROW, LEFT, WIDTH = 24, 190, 760


def leaderboard_bars(rows: Sequence[Mapping[str, Any]], track: str, metric: str, champion: str | None) -> str:
    """Mean and 95 % interval per contender, best first; the champion is filled."""
    found = [(str(row["name"]), row["tracks"][track]["metrics"][metric]) for row in rows if track in row["tracks"]]
    found = [(name, m) for name, m in found if m["mean"] is not None]
    if not found:
        return ""
    top = max(m["high"] for _, m in found) or 1.0
    n = found[0][1]["n"]
    scale = (WIDTH - LEFT - 70) / top
    marks = "".join(_mark(i, name, m, scale, name == champion) for i, (name, m) in enumerate(found))
    height = ROW * len(found) + 34
    words = f"{escape(metric.replace('_at_', '@'))}, {n:,} customers; bars are 95 % intervals"
    axis = f'<text x="{LEFT}" y="{height - 6}" class="axis">{words}</text>'
    label = f"{metric} per contender: " + ", ".join(f"{name} {m['mean']:.4f}" for name, m in found)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{marks}{axis}</svg>'


def _mark(i: int, name: str, m: Mapping[str, Any], scale: float, champion: bool) -> str:
    y = ROW * i + 14
    x, low, high = (LEFT + scale * m[k] for k in ("mean", "low", "high"))
    kind = "champion" if champion else "contender"
    return (
        f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
        f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" class="{kind}"/>'
        f'<circle cx="{x:.1f}" cy="{y}" r="5" class="{kind}"/>'
        f'<text x="{high + 8:.1f}" y="{y + 4}" class="value">{m["mean"]:.4f}</text>'
    )
