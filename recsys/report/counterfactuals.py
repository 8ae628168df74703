"""What would happen in the newest markets, as tables: products dropped, repriced and added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.data.lake import ref_from
from recsys.report.page import Page
from recsys.report.tables import Column, count, fold, heading, interval, join, number, paragraph, share, table

Json = dict[str, Any]
WORDS = {"drop": "without", "add": "with, new"}
PER = 1000  # visitors, for surplus


def build_counterfactuals(page: Page, facts: Mapping[str, Any]) -> str | None:
    """None where no fit serves."""
    told = facts.get("counterfactuals")
    if not told or told["status"] != "ok":
        return join(heading("What would happen"), paragraph(told["reason"])) if told and "reason" in told else None
    found = page.lake.read_json(ref_from(facts["tables"]["counterfactuals"]))
    tables = [(m["market"], _market(m, page.settings.shop.currency)) for m in found["markets"]]
    first = [told for _, told in tables[:1]]
    rest = [fold(f"What would happen in {name}", told) for name, told in tables[1:]]
    note = ("Profit is the sellers', at the costs under which today's prices are each seller's best answer. "
            "A product nobody has bought yet has no interval.")  # fmt: skip
    return join(heading(f"What would happen, by {told['contender']}"), *first, *rest,
                paragraph(found["cap"], "soft"), paragraph(note, "soft"))  # fmt: skip


def _market(market: Json, currency: str) -> str:
    money = f"{currency} a period"
    columns = [
        "Change", Column("Where its buyers go", words=True), Column("Revenue", tip=money), Column("Profit", tip=money),
        Column("Surplus", tip=f"{currency} per {count(PER)} visitors"), Column("Revenue, prices solved", tip=money),
        Column("Profit, prices solved", tip=money),
    ]  # fmt: skip
    caption = (f"Market {market['market']}: changes against today, n = {count(market['people'])} people and "
               f"{count(market['alternatives'])} alternatives, 90 % intervals")  # fmt: skip
    return table(caption, columns, [_row(row) for row in market["rows"]])


def _row(row: Json) -> tuple[object, ...]:
    fixed, solved = row["fixed"], row["solved"]
    return (
        _named(row), _went(fixed), _cell(fixed, "revenue"), _cell(fixed, "profit"), _cell(fixed, "surplus", PER),
        _cell(solved, "revenue"), _cell(solved, "profit"),
    )  # fmt: skip


def _named(row: Json) -> str:
    before, after = row["price"]
    if row["change"] == "reprice":
        return f"{row['product']} at {number(after, 2)}, not {number(before, 2)} ({100 * (after / before - 1):+.1f} %)"
    return f"{WORDS[row['change']]} {row['product']} at {number(before, 2)}"


def _went(found: Json) -> str | None:
    if "to" not in found:
        return None
    named = [f"{to['product']} {share(to['part'])}" for to in found["to"]]
    return ", ".join([*named, f"buys nothing {share(found['buys_nothing'])}"])


def _cell(found: Json, name: str, times: float = 1.0) -> str | None:
    value = found.get(name)
    if value is None or value["value"] is None:
        return None
    bounds = [None if value[k] is None else times * value[k] for k in ("low", "high")]
    digits = 2 if times == 1.0 else 1
    if None in bounds:
        return number(times * value["value"], digits, True)
    return interval(times * value["value"], bounds[0], bounds[1], digits)
