"""What markets say: who explains what they buy, what prices do, and whether the elasticities can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.data.lake import ref_from
from recsys.report.counterfactuals import build_counterfactuals
from recsys.report.heatmap import heatmap
from recsys.report.page import Json, Page
from recsys.report.panel import build_panel
from recsys.report.tables import (
    Column,
    bullets,
    count,
    fold,
    heading,
    interval,
    join,
    number,
    paragraph,
    share,
    table,
)

TITLE = "Demand"
TOLD = {"warned": "take care", "failed": "failed", "noted": "note", "passed": "passed"}
SENSITIVE = ("market size", "quantity discounts")  # told in numbers also where they pass
LARGEST = 15  # products whose elasticity is tabled


def build(page: Page) -> str | None:
    """None where the shop describes no markets."""
    facts = page.facts.get("demand", {})
    if facts.get("status") == "none" or not facts:
        return None
    if facts["status"] != "ok":
        return paragraph(facts["reason"])
    return join(
        paragraph(facts["reason"], "lead"),
        _panel(facts["panel"]),
        build_panel(facts["panel"]),
        _choice(facts),
        _response(facts),
        _ladder(facts),
        _health(facts),
        _elasticities(page, facts),
        build_counterfactuals(page, facts),
    )


def _panel(panel: Json) -> str:
    named = ", ".join(panel["instruments"]) or "none: elasticities are associations"
    return paragraph(
        f"The panel: {count(panel['markets'])} markets, {count(panel['alternatives'])} alternatives "
        f"({count(panel['composites'])} of them pools of slow products), {count(panel['rows'])} rows, "
        f"{share(panel['zero_share'])} of them unsold. Instruments: {named}.", "soft",
    )  # fmt: skip


def _choice(facts: Json) -> str | None:
    judged, rows = facts["judged"], facts["market_choice"]
    if not judged or not rows:
        return None
    columns = ["Contender", Column("Log-likelihood", tip="per unit bought"),
               Column("Over popularity", tip="gain (standard error)"), Column("Top-1", tip="best seller found"),
               Column("NDCG@3", tip="gains are shares"), Column("ECE", tip="of shares"),
               Column("Buys nothing", tip="mean absolute error")]  # fmt: skip
    body = [
        (r["contender"], number(r["log_likelihood_per_unit"], 3), f"{number(r['gain'], 3, True)} ({r['gain_se']:.3f})",
         share(r["top_1"]), number(r["ndcg_at_3"], 3), share(r["ece"], 2), share(r["outside_error"]))
        for r in rows
    ]  # fmt: skip
    caption = (f"What {count(judged['markets'])} held-out markets bought from {judged['since']} on, n = "
               f"{count(judged['units'])} units; recommenders by a softmax calibrated on the weeks before")  # fmt: skip
    left = [f"{name} is not among them: {why}." for name, why in facts["left_out"].items()]
    return join(heading("Who explains what markets buy"), table(caption, columns, body), *map(paragraph, left))


def _response(facts: Json) -> str | None:
    rows = facts["price_response"]
    if not rows:
        return None
    columns = ["Contender", "Price changes, n", Column("Sign right"),
               Column("Answer", tip="observed per predicted change, 1 = sizes are right")]  # fmt: skip
    body = [(r["contender"], count(r["events"]), share(r["sign_right"]), number(r["answer"], 2)) for r in rows]
    note = "Observed changes of few units are mostly noise: the answer is to be read, the sign is only as good as they."
    caption = "Held-out changes of a price by more than 10 %: predicted against observed change of share"
    return join(heading("Who knows what a price does"), table(caption, columns, body), paragraph(note, "soft"))


def _ladder(facts: Json) -> str | None:
    if not facts["ladder"]:
        return None
    rows = [(r["name"], number(r["log_likelihood"], 3), r["words"]) for r in facts["ladder"]]
    columns = ["Rung", "Log-likelihood per unit", Column("What became of it", words=True)]
    return join(heading("The ladder"), table("Climbed where gates pass and held-out markets gain", columns, rows),
                paragraph(facts["serves"]["words"]))  # fmt: skip


def _health(facts: Json) -> str | None:
    parts = [_card(name, fit) for name, fit in facts["fits"].items()]
    return join(heading("Can the fits be trusted?"), *parts) if parts else None


def _card(name: str, fit: Mapping[str, Any]) -> str:
    """A contender's health card: what did not pass in words, everything in a fold."""
    own = fit.get("own_elasticity")
    says = f"{name}: {fit['status']}" + (f", own elasticity {number(own['median'], 2)} (median)" if own else "")
    told = {"passed", "failed"} if fit["reason"] else {"passed"}  # the reason names what failed
    words = [f"{TOLD[g['verdict']]}: {g['name']}: {g['words'] or g['wanted']}" for g in fit["gates"]
             if g["verdict"] not in told or (g["verdict"] == "passed" and g["name"] in SENSITIVE)]  # fmt: skip
    words = [fit["reason"], *words] if fit["reason"] else words
    rows = [(g["name"], TOLD[g["verdict"]], number(g["found"], 4), g["wanted"]) for g in fit["gates"]]
    columns = ["Gate", "Verdict", "Found", Column("Wanted", words=True)]
    card = fold(f"All {len(rows)} gates of {name}", table(f"Health card of {name}", columns, rows)) if rows else None
    return join(paragraph(says), bullets(words) if words else None, card)


def _elasticities(page: Page, facts: Json) -> str | None:
    name = facts["serves"]["contender"]
    ref = facts["tables"].get(name)
    if ref is None:
        return None
    found = page.lake.read_json(ref_from(ref))
    n = f"mean over the latest markets, n = {count(facts['panel']['rows'])} rows of the panel"
    maps = [
        heatmap(f"Elasticities by {m['by']}", m["names"], m["elasticities"], ("whose demand", "whose prices"),
                f"% of demand per 1 % of price; {n}")
        for m in found["heat_maps"]
    ]  # fmt: skip
    age = facts["serves"]["age_nights"]
    stale = paragraph(f"They are those of the fit of {count(age)} night{'s' if age > 1 else ''} ago.") if age else None
    return join(heading(f"Elasticities by {name}"), stale, *maps, _products(found, page.settings.shop.currency),
                _money(found, page.settings.shop.currency))  # fmt: skip


def _products(found: Json, currency: str) -> str:
    own, markups = found["own_elasticities"], found["markups"]
    order = sorted(range(len(found["products"])), key=lambda i: -found["shares"][i])[:LARGEST]
    rows = [
        (_named(found["products"][i]), share(found["shares"][i], 2), _at(own, i, 2), _at(markups, i, 2)) for i in order
    ]
    caption = f"Market {found['market']}: the {len(rows)} largest, with 90 % intervals"
    return table(caption, ["Product", "Share of visitors", "Own elasticity", f"Markup, {currency}"], rows)


def _named(alternative: str) -> str:
    """A product's id, or a pool of slow products in words."""
    if not alternative.startswith("~"):
        return alternative
    seller, _, category = alternative[1:].partition("|")
    return f"slow products, {category or 'no category'}, {seller or 'several sellers'}"


def _money(found: Json, currency: str) -> str:
    surplus = found["consumer_surplus"]
    per_visitor = interval(surplus["value"], surplus["low"], surplus["high"], 2)
    words = f"Consumer surplus per visitor: {per_visitor} {currency}."
    worth = [f"{name}: {interval(v['value'], v['low'], v['high'], 2)} {currency}"
             for name, v in found["willingness_to_pay"].items()]  # fmt: skip
    paid = join(paragraph("Willingness to pay, per unit:"), bullets(worth)) if worth else None
    return join(paragraph(words + " 90 % interval."), paid)


def _at(column: Json, i: int, digits: int) -> str:
    return interval(column["value"][i], column["low"][i], column["high"][i], digits)
