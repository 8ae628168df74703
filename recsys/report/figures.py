"""Figures as inline SVG: no script, no font, no fixed width; text keeps its size on a phone and its contrast at night.

Positions are percentages of the figure's width, so nothing is scaled. Each figure says its unit and n, has a title and
a description for screen readers, and never tells series apart by colour alone.

    intervals("NDCG@10", [Mark("ease", 0.098, 0.091, 0.106)], "NDCG@10", "n = 1,449 customers", level=0.95)
    bars("Sales by seller", [Mark("seller-001", 1250.0), ...], "USD", "n = 40 sellers")
    lines("Regret", {"thompson": [(0, 0.0), (1000, 12.5)]}, ("visitors", "clicks lost"), "n = 50 simulations")
    scatter("Quality against cost", [Point("ease", 3.3, 0.098)], ("fit, s", "NDCG@10"), "n = 1,449 customers")
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from recsys.report.tables import confidence, join, number

ROW, HEAD, FOOT, TALL = 38, 24, 26, 240  # px: a row of marks; above, below and within the plane of lines and points
LEFT, RIGHT = 2.0, 98.0  # % of the width between which values lie
NEAR, LINE = 32.0, 15.0  # % of the width and px within which two names would overlap
DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 4", "1 4")


@dataclass(frozen=True)
class Mark:
    """One row: a value, its interval where it has one; marked rows (the champion) are filled."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    marked: bool = False
    text: str = ""  # what is written at the right; default: the value


@dataclass(frozen=True)
class Point:
    """A named point of a plane."""

    name: str
    x: float
    y: float
    marked: bool = False


def intervals(title: str, rows: Sequence[Mark], unit: str, n: str, *, level: float, digits: int = 4) -> Markup | None:
    """A dot and its interval of this level per row; a line at 0 where the axis passes it. None without rows."""
    told = any(row.low is not None for row in rows)
    hint = f", lines are {confidence(level)} intervals" if told else ""
    return _rows(title, rows, unit, f"{n}{hint}", digits, bar=False)


def bars(title: str, rows: Sequence[Mark], unit: str, n: str, *, digits: int = 0) -> Markup | None:
    """A bar from 0 per row, with a whisker where it has an interval. None without rows."""
    return _rows(title, rows, unit, n, digits, bar=True)


def lines(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], labels: tuple[str, str], n: str
) -> Markup | None:
    """A line per series over a plane; labels = (of x, of y) with their units. None without points."""
    points = [point for line in series.values() for point in line]
    if not points:
        return None
    plane = _Plane.of(points)
    paths = [_path(i, [plane.at(p) for p in line]) for i, line in enumerate(series.values())]
    form = (
        '<svg x="{}%" y="{}" width="{}%" height="{}" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'overflow="visible">{}</svg>'
    )
    drawn = Markup(form).format(LEFT, HEAD, RIGHT - LEFT, TALL, join(*paths))
    keys = [_key(i, name) for i, name in enumerate(series)]
    told = "; ".join(f"{name} ends at {_short(line[-1][1])}" for name, line in series.items() if line)
    legend = Markup('<ul class="keys">{}</ul>').format(join(*keys))
    return _figure(
        title, told, join(plane.frame(labels), drawn), HEAD + TALL + FOOT, f"{labels[1]} by {labels[0]}; {n}", legend
    )


def scatter(title: str, points: Sequence[Point], labels: tuple[str, str], n: str) -> Markup | None:
    """Named points on a plane; labels = (of x, of y) with their units. None without points."""
    if not points:
        return None
    plane = _Plane.of([(p.x, p.y) for p in points])
    drawn = [
        _dot(point, *place) for point, place in zip(points, _apart([plane.at((p.x, p.y)) for p in points]), strict=True)
    ]
    told = "; ".join(f"{p.name}: {_short(p.x)} {labels[0]}, {_short(p.y)} {labels[1]}" for p in points)
    return _figure(
        title, told, join(plane.frame(labels), *drawn), HEAD + TALL + FOOT, f"{labels[1]} by {labels[0]}; {n}"
    )


def _dot(point: Point, x: float, y: float, shift: float) -> Markup:
    """A dot at (x, y) in % of the plane, its name beside it, `shift` px lower where another name is in the way."""
    right = x > 60
    form = (
        '<circle cx="{x:.2f}%" cy="{y:.1f}" r="5" class="{kind}"/><text x="{x:.2f}%" y="{y:.1f}" dx="{dx}" dy="{dy}" '
        'text-anchor="{anchor}">{name}</text>'
    )
    numbers = {"x": LEFT + x / 100 * (RIGHT - LEFT), "y": HEAD + y * TALL / 100, "dy": f"{4 + shift:.0f}"}
    words = {"kind": "marked" if point.marked else "plain", "anchor": "end" if right else "start", "name": point.name}
    return Markup(form).format(**numbers, **words, dx=-9 if right else 9)


def _apart(places: Sequence[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """(x, y, shift of the name in px): names of near points stand under one another."""
    taken: list[tuple[float, float]] = []
    found = {}
    for i in sorted(range(len(places)), key=lambda i: (places[i][1], places[i][0])):
        x, y = places[i]
        height = y * TALL / 100
        while any(abs(x - other) < NEAR and abs(height - at) < LINE for other, at in taken):
            height += 1
        taken.append((x, height))
        found[i] = (x, y, height - y * TALL / 100)
    return [found[i] for i in range(len(places))]


@dataclass(frozen=True)
class _Plane:
    """Values onto percentages of a plane; y runs upwards from 0, or from below where a value is negative."""

    low: tuple[float, float]
    high: tuple[float, float]

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> _Plane:
        (x0, x1), (y0, y1) = _ends([p[0] for p in points]), _ends([*(p[1] for p in points), 0.0])
        return cls((x0, y0), (x1, y1))

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        x, y = ((v - a) / (b - a) for v, a, b in zip(point, self.low, self.high, strict=True))
        return 100 * x, 100 - 100 * y

    def frame(self, labels: tuple[str, str]) -> Markup:
        """Axes, their ends in numbers and the labels."""
        form = (
            '<line x1="{l}%" y1="{b}" x2="{r}%" y2="{b}" class="axis"/><line x1="{l}%" y1="{t}" x2="{l}%" y2="{b}" '
            'class="axis"/><line x1="{l}%" y1="{t}" x2="{r}%" y2="{t}" class="axis"/><text x="{l}%" y="14" '
            'class="soft">{y0} to {y1} {yl}</text><text x="{l}%" y="{f}" class="soft">{x0}</text>'
            '<text x="{r}%" y="{f}" text-anchor="end" class="soft">{x1} {xl}</text>'
        )
        ends = {"x0": self.low[0], "y0": self.low[1], "x1": self.high[0], "y1": self.high[1]}
        places = {
            "l": LEFT,
            "r": RIGHT,
            "t": HEAD,
            "b": HEAD + TALL,
            "f": HEAD + TALL + 18,
            "xl": labels[0],
            "yl": labels[1],
        }
        return Markup(form).format(**places, **{name: _short(value) for name, value in ends.items()})


def _rows(title: str, rows: Sequence[Mark], unit: str, n: str, digits: int, bar: bool) -> Markup | None:
    rows = [row for row in rows if math.isfinite(row.value)]
    if not rows:
        return None
    ends = [v for r in rows for v in (r.value, r.low, r.high) if v is not None and math.isfinite(v)]
    low, high = _ends([*ends, 0.0])

    def place(v: float) -> float:
        return LEFT + (RIGHT - LEFT) * (min(max(v, low), high) - low) / (high - low)

    drawn = [_row(i, row, place, digits, bar) for i, row in enumerate(rows)]
    bottom = ROW * len(rows) + 8
    axis = (
        '<line x1="{z}%" y1="0" x2="{z}%" y2="{b}" class="axis"/><text x="{l}%" y="{t}" class="soft">{low}</text>'
        '<text x="{r}%" y="{t}" text-anchor="end" class="soft">{high} {unit}</text>'
    )
    places = {"z": f"{place(0.0):.2f}", "b": bottom, "l": LEFT, "r": RIGHT, "t": bottom + 18}
    frame = Markup(axis).format(**places, low=_short(low), high=_short(high), unit=unit)
    told = "; ".join(f"{r.name} {r.text or number(r.value, digits)}{_between(r, digits)}" for r in rows)
    return _figure(title, told, join(frame, *drawn), bottom + 26, f"{unit}, {n}")


def _row(i: int, row: Mark, place: Callable[[float], float], digits: int, bar: bool) -> Markup:
    top, kind = ROW * i, "marked" if row.marked else "plain"
    x, zero, y = place(row.value), place(0.0), top + 28
    low, high = (x if v is None or not math.isfinite(v) else place(v) for v in (row.low, row.high))
    value = row.text or number(row.value, digits)
    names = '<text x="{l}%" y="{t}">{name}</text><text x="{r}%" y="{t}" text-anchor="end" class="soft">{value}</text>'
    if bar:
        names += '<rect x="{a:.2f}%" y="{s}" width="{w:.2f}%" height="10" class="{kind}"/>'
    if low != high:
        names += '<line x1="{low:.2f}%" y1="{y}" x2="{high:.2f}%" y2="{y}" class="{kind} whisker"/>'
    if not bar:
        names += '<circle cx="{x:.2f}%" cy="{y}" r="5" class="{kind}"/>'
    numbers = {"l": LEFT, "r": RIGHT, "t": top + 16, "y": y, "s": y - 5, "a": min(x, zero), "w": abs(x - zero)}
    return Markup(names).format(name=row.name, value=value, kind=kind, x=x, low=low, high=high, **numbers)


def _figure(title: str, told: str, drawn: Markup, height: int, caption: str, legend: Markup | str = "") -> Markup:
    key = f"f{zlib.crc32(f'{title}|{told}'.encode()):08x}"
    form = (
        '<figure><svg role="img" aria-labelledby="{k}t {k}d" width="100%" height="{h}"><title id="{k}t">{title}</title>'
        '<desc id="{k}d">{told}</desc>{drawn}</svg>{legend}<figcaption>{title}: {caption}</figcaption></figure>'
    )
    return Markup(form).format(k=key, h=height, title=title, told=told, drawn=drawn, legend=legend, caption=caption)


def _path(i: int, points: Sequence[tuple[float, float]]) -> Markup:
    corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    form = '<polyline points="{}" class="series s{}" stroke-dasharray="{}" vector-effect="non-scaling-stroke"/>'
    return Markup(form).format(corners, i % len(DASHES), DASHES[i % len(DASHES)])


def _key(i: int, name: str) -> Markup:
    form = '<li><svg width="34" height="12" aria-hidden="true"><line x1="0" y1="6" x2="34" y2="6" class="series s{0}" '
    form += 'stroke-dasharray="{1}"/></svg> {2}</li>'
    return Markup(form).format(i % len(DASHES), DASHES[i % len(DASHES)], name)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _between(row: Mark, digits: int) -> str:
    if row.low is None or row.high is None:
        return ""
    return f" ({number(row.low, digits)} to {number(row.high, digits)})"


def _short(value: float) -> str:
    """Three significant digits, without powers of ten for everyday numbers."""
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    if 1e-4 <= abs(value) < 1e7:
        return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    return f"{value:.2e}"
