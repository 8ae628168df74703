"""The decision in words, and the few numbers a product owner looks for first."""

from __future__ import annotations

from recsys.contest.challenge import power_words
from recsys.report.page import Page
from recsys.report.sections.leaderboard import measured
from recsys.report.tables import count, interval, join, metric_name, money, paragraph, share, tiles

TITLE = "The decision"
ACTIONS = {"first": "the first", "promote": "promoted tonight", "keep": "kept", "none": "no change"}


def build(page: Page) -> str | None:
    """Reasons, note, tiles and the power of tonight's test."""
    decision, night = page.decision, page.night
    reasons = [paragraph(reason, "lead") for reason in decision["reasons"]]
    note = paragraph(f"Note: {night['note']}.", "soft") if night.get("note") else None
    power = power_words(decision.get("power") or {})
    return join(*reasons, note, _tiles(page), paragraph(power, "soft") if power else None, _unmirrored(page))


def _tiles(page: Page) -> str:
    decision, sizes = page.decision, page.night["sizes"]
    champion = decision["champion"] or "none"
    served = page.published.get("generation") or "nothing new"
    items: list[tuple[str, object]] = [
        (f"Champion, {ACTIONS.get(decision['action'], decision['action'])}", champion),
        ("Served as", served),
        ("Customers / products", f"{count(sizes['customers'])} / {count(sizes['products'])}"),
        ("Orders", count(sizes["orders"])),
    ]
    goal = page.facts.get("experiments", {}).get("money", {}).get("goal")
    if goal:
        worth = f"{money(goal['sales'], page.settings.shop.currency)} of sales"
        items.append((f"If {share(goal['uptake'], 0)} of single-item orders took one more", worth))
    found = _measured(page)
    return tiles([*items[:2], (_metric(page), found), *items[2:]] if found else items)


def _metric(page: Page) -> str:
    contest = page.settings.contest
    return f"{metric_name(contest.primary)} [{contest.level:.0%}]"


def _measured(page: Page) -> str | None:
    contest = page.settings.contest
    for row in page.ranked:
        if row["name"] == page.decision["champion"]:
            found = measured(row, contest.track, contest.primary)
            return interval(found["mean"], found["low"], found["high"], 3) if found else None
    return None


def _unmirrored(page: Page) -> str | None:
    told = page.facts.get("registration", {})
    return paragraph(told["note"], "soft") if told.get("status") == "spooled" else None
