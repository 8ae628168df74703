"""Tables, paragraphs and numbers of a report section; everything that is not Markup is escaped.

A section is a module of report/sections with `TITLE` and `build(page) -> str | None`; what it builds stands under its
`<h2>`, so it may use `heading` (an `<h3>`) but no `<h1>` or `<h2>`:

    TITLE = "Elasticities"

    def build(page: Page) -> str | None:
        facts = page.facts.get("demand", {})
        if facts.get("status") != "ok":
            return paragraph(facts["reason"]) if facts.get("reason") else None
        rows = [(r["product"], interval(r["mean"], r["low"], r["high"], 2), count(r["n"])) for r in facts["rows"]]
        return join(
            paragraph("The ten products that sell most."),
            table("Own-price elasticity, the last 26 weeks", ["Product", "Elasticity [95 %]", "Markets, n"], rows),
        )

Figures are in report/figures.py. Say the unit and n in the caption or the column's title; n/a is None, never 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Cell = object  # None = n/a; a number or text is escaped as it is; Markup is taken as HTML
NONE = "n/a"
SHORTHAND = ("ndcg", "map", "mrr", "auc")


@dataclass(frozen=True)
class Column:
    """A column's heading. words: left-aligned text that may wrap; tip: what it means, read out after the heading."""

    title: str
    words: bool = False
    tip: str = ""


def table(
    caption: str,
    columns: Sequence[object],
    rows: Iterable[Sequence[Cell]],
    *,
    mark: Collection[int] = (),
) -> Markup:
    """A table that scrolls sideways on a phone; columns are texts or Columns.

    The first column names its row; rows numbered in `mark` stand out.
    """
    heads = [c if isinstance(c, Column) else Column(str(c)) for c in columns]
    head = join(*(_head(c) for c in heads))
    body = join(*(_row(heads, row, i in mark) for i, row in enumerate(rows)))
    form = '<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table><caption><span>{0}</span></caption>'
    return Markup(form + "<thead><tr>{1}</tr></thead><tbody>{2}</tbody></table></div>").format(caption, head, body)


def _head(column: Column) -> Markup:
    tip = Markup('<span class="tip">{}</span>').format(column.tip) if column.tip else ""
    kind = Markup(' class="words"') if column.words else ""
    return Markup('<th scope="col"{}>{}{}</th>').format(kind, column.title, tip)


def _row(heads: Sequence[Column], row: Sequence[Cell], marked: bool) -> Markup:
    cells = [NONE if cell is None else cell for cell in row]
    first = Markup('<th scope="row">{}</th>').format(cells[0])
    rest = [
        Markup("<td{}>{}</td>").format(Markup(' class="words"') if head.words else "", cell)
        for head, cell in zip(heads[1:], cells[1:], strict=True)
    ]
    return Markup("<tr{}>{}{}</tr>").format(Markup(' class="marked"') if marked else "", first, join(*rest))


def paragraph(text: object, kind: str = "") -> Markup:
    """`kind`: "" | lead (a decision) | soft (a note)."""
    return Markup("<p{}>{}</p>").format(Markup(' class="{}"').format(kind) if kind else "", text)


def bullets(items: Iterable[object]) -> Markup:
    return Markup("<ul>{}</ul>").format(join(*(Markup("<li>{}</li>").format(item) for item in items)))


def heading(text: object) -> Markup:
    """A heading inside a section."""
    return Markup("<h3>{}</h3>").format(text)


def strong(text: object) -> Markup:
    return Markup("<strong>{}</strong>").format(text)


def link(text: object, address: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(address, text)


def fold(summary: str, body: str) -> Markup:
    """What an engineer opens and a product owner does not."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, body)


def tiles(items: Iterable[tuple[str, object]]) -> Markup:
    """A few numbers that are seen first: (what it is, the number with its unit)."""
    cells = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, _breakable(told)) for name, told in items)
    return Markup('<dl class="tiles">{}</dl>').format(join(*cells))


def _breakable(told: object) -> Markup:
    """A long name may break after its underscores."""
    if isinstance(told, Markup):
        return told
    return Markup("_<wbr>").join(escape(part) for part in str(told).split("_"))


def join(*parts: str | Markup | None) -> Markup:
    """Pieces of HTML one after another; None is left out, plain text is escaped."""
    return Markup("").join(escape(part) for part in parts if part is not None)


def number(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """`0.0982`, `1,234.50`, with its sign where asked."""
    return NONE if value is None or value != value else f"{value:{'+' if sign else ''},.{digits}f}"


def count(value: float | None) -> str:
    return number(value, 0)


def share(value: float | None, digits: int = 1) -> str:
    """A fraction as `12.3 %`."""
    return NONE if value is None or value != value else f"{100 * value:.{digits}f} %"


def confidence(level: float) -> str:
    """`95 %`, `97.5 %`."""
    return f"{100 * level:.4g}\u00a0%"


def money(value: float | None, currency: str, digits: int = 0) -> str:
    """`12,345 GBP`."""
    return NONE if value is None or value != value else f"{number(value, digits)} {currency}"


def metric_name(metric: str) -> str:
    """`ndcg_at_10` as `NDCG@10`, `hit_at_10` as `hit@10`."""
    name, _, k = metric.rpartition("_at_")
    return f"{name.upper() if name in SHORTHAND else name.replace('_', ' ')}@{k}" if name else metric


def interval(mean: float | None, low: float | None, high: float | None, digits: int = 4, sign: bool = False) -> str:
    """`0.0982 [0.0890, 0.1071]`, or n/a."""
    if mean is None:
        return NONE
    ends = NONE if low is None or high is None else f"{number(low, digits, sign)}, {number(high, digits, sign)}"
    return f"{number(mean, digits, sign)} [{ends}]"
