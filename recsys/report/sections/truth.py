"""Contenders against the known truth of a simulated shop; a real shop has no such section."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.report.figures import Mark, intervals
from recsys.report.oracle import Gap, gaps
from recsys.report.page import Page
from recsys.report.tables import Column, count, heading, interval, join, metric_name, number, paragraph, share, table
from recsys.report.true_prices import Answer, price_answers

TITLE = "Against the truth"
NAMES = {"new": "New products", "repeats": "With repeats", "basket": "Complete a basket"}


def build(page: Page) -> str | None:
    """None where no truth lies beside the data."""
    contest = page.settings.contest
    found = gaps(page, [(contest.track, contest.primary), ("basket", f"hit_at_{contest.at[0]}")])
    if not found:
        return None
    about = (
        "This shop is simulated, so the best possible list is known: the oracle ranks by the true choice "
        "probabilities. 0 % is what popularity reaches, 100 % the oracle; what lies between is what a model can learn."
    )
    return join(paragraph(about), *(_gap(gap, page) for gap in found), _prices(price_answers(page)))


def _gap(gap: Gap, page: Page) -> str:
    unit, name = metric_name(gap.metric), NAMES.get(gap.track, gap.track)
    n = f"n = {gap.customers:,} {'customers and guests' if gap.track == 'basket' else 'held-out customers'}"
    champion = page.decision["champion"]
    marks = [
        Mark(who, 100 * s.mean, 100 * s.low, 100 * s.high, marked=who == champion, text=f"{100 * s.mean:.1f} %")
        for who, _, s in gap.closed
    ]
    rows = [
        (who, number(mean), interval(100 * s.mean, 100 * s.low, 100 * s.high, 1), count(s.n))
        for who, mean, s in gap.closed
    ]
    ends = [(gap.floor, number(gap.floor_mean), "0", count(gap.customers))]
    ends += [("oracle", number(gap.oracle_mean), "100", count(gap.customers))]
    title = f"{name}: share of the gap from {gap.floor} to the oracle that was closed"
    level = f"{page.settings.contest.level:.0%}"
    columns = ["Contender", unit, f"Gap closed, % [{level}]", "Customers, n"]
    return join(
        intervals(title, marks, "% of the gap", n, level=page.settings.contest.level, digits=1),
        table(f"{name}, {unit}; intervals from drawing customers again", columns, [*rows, *ends]),
    )


def _prices(found: Sequence[Answer]) -> str | None:
    """Estimated beside true elasticities."""
    if not found:
        return None
    columns = [
        "Contender",
        Column("Market", words=True),
        "Products, n",
        Column("Estimated", tip="median own elasticity"),
        Column("True", tip="median, last day"),
        Column("Error", tip="median, of the true value"),
        Column("Covered", tip="by 90 % intervals"),
    ]
    rows = [
        (
            a.contender,
            a.market,
            count(a.products),
            number(a.estimated, 2),
            number(a.true, 2),
            share(a.error),
            share(a.covered, 0),
        )
        for a in found
    ]
    return join(
        heading("Do they know what a price does?"), table("Own price elasticities against the truth", columns, rows)
    )
