"""A heat map as inline SVG: a number in every cell, shaded by its size; wide ones scroll sideways on a phone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from markupsafe import Markup

from recsys.report.tables import join, number

CELL, TALL, LEFT, HEAD, LETTERS = 62, 30, 150, 96, 20  # px, and letters of a name that fit
DARKEST = 0.55  # opacity of the largest cell: its number is still read by day and by night


def heatmap(
    title: str, names: Sequence[str], values: Sequence[Sequence[float | None]], words: tuple[str, str], n: str
) -> Markup | None:
    """Rows and columns share `names`; words = (of a row, of a column). Empty rows are left out; None when all are."""
    kept = [i for i, row in enumerate(values) if any(v is not None for v in row)]
    if not kept:
        return None
    names, table = [names[i] for i in kept], [[values[i][j] for j in kept] for i in kept]
    top = max((abs(v) for row in table for v in row if v is not None), default=0.0) or 1.0
    cells = [_cell(i, j, v, top) for i, row in enumerate(table) for j, v in enumerate(row)]
    labels = [join(_row_name(i, name), _column_name(i, name)) for i, name in enumerate(names)]
    size = (LEFT + CELL * len(names) + 40, HEAD + TALL * len(names) + 6)
    told = "; ".join(f"{name} {number(row[i], 2)}" for i, (name, row) in enumerate(zip(names, table, strict=True)))
    key = f"h{zlib.crc32(f'{title}|{told}'.encode()):08x}"
    form = (
        '<figure><div class="scroll" tabindex="0" role="region" aria-label="{title}"><svg role="img" width="{w}" '
        'height="{h}" aria-labelledby="{k}t {k}d"><title id="{k}t">{title}</title><desc id="{k}d">Diagonal: {told}'
        "</desc>{drawn}</svg></div><figcaption>{title}: row = {row}, column = {column}; {n}</figcaption></figure>"
    )
    return Markup(form).format(
        k=key, w=size[0], h=size[1], title=title, told=told, drawn=join(*cells, *labels),
        row=words[0], column=words[1], n=n,
    )  # fmt: skip


def _cell(i: int, j: int, value: float | None, top: float) -> Markup:
    x, y = LEFT + CELL * j, HEAD + TALL * i
    shade = 0.0 if value is None else DARKEST * abs(value) / top
    form = (
        '<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="var({ink})" fill-opacity="{s:.3f}" stroke="var(--line)"/>'
        '<text x="{tx}" y="{ty}" text-anchor="middle">{value}</text>'
    )
    ink = "--s4" if value is not None and value < 0 else "--mark"
    places = {"x": x, "y": y, "w": CELL, "h": TALL, "tx": x + CELL // 2, "ty": y + 20}
    return Markup(form).format(ink=ink, s=shade, value=number(value, 2), **places)


def _row_name(i: int, name: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 8, HEAD + TALL * i + 20, _cut(name))


def _column_name(j: int, name: str) -> Markup:
    x = LEFT + CELL * j + CELL // 2
    form = '<text x="{0}" y="{1}" transform="rotate(-40 {0} {1})" class="soft">{2}</text>'
    return Markup(form).format(x, HEAD - 8, _cut(name))


def _cut(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
