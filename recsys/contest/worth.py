"""What the orders say: the opportunity in money, customers' habits, revenue against relevance, who is served well."""

from __future__ import annotations

from dataclasses import asdict

from recsys.contest import frontier as revenue
from recsys.contest import money as opportunity
from recsys.contest.backtest import barred_products
from recsys.contest.evidence import Evidence, Found, nothing
from recsys.contest.generation import popular_lately
from recsys.contest.measure import exams
from recsys.contest.record import load_fitted
from recsys.contract import Dataset
from recsys.data.lake import ref_from


def money(evidence: Evidence) -> Found:
    """The opportunity per shop and seller, with what the basket model's hit rate suggests."""
    shop, at = evidence.settings.shop, evidence.settings.contest.at[0]
    hit = opportunity.hit_rate(evidence.backtests, at)
    back = opportunity.returned_share(evidence.lines, evidence.day)
    given = opportunity.assumptions(shop, hit[1] if hit else None, back)
    rows, swings = opportunity.opportunity_tables(opportunity.lines_of(evidence.sales), given, evidence.seed)
    goal = next(row for row in rows if row["scope"] == "shop" and row["uptake"] == given.uptake.mean)
    stated = given.stated() | {"hit_rate": f"{hit[1]:.4f} (hit@{at} of {hit[0]} on second items)" if hit else "n/a"}
    stated["returned"] = f"{back:.4g} (measured: value of returns over value sold)"
    return Found(
        {"assumptions": stated, "goal": goal, "currency": shop.currency},
        {"opportunity": rows, "swings": swings},
        {f"opportunity.{key}": goal[key] for key in ("single_share", "line", "sales", "profit", "within_reach")},
    )


def habits(evidence: Evidence) -> Found:
    """What the business assumes of its customers."""
    from recsys.assortment.habits import habits as read

    data = evidence.lake.read_value(Dataset, ref_from(evidence.night["dataset"]))
    categories = dict(zip(data.space.products.ids, data.catalogue.category, strict=True))
    found = read(evidence.sales, {str(p): str(c or "") for p, c in categories.items()})
    shares = {name: value["value"] for name, value in asdict(found).items() if isinstance(value, dict)}
    return Found(
        {**asdict(found), "category_lift": found.category_lift, "seller_lift": found.seller_lift},
        metrics={f"habits.{name}": value for name, value in shares.items()} | {"habits.seller_gini": found.seller_gini},
    )


def frontier(evidence: Evidence) -> Found:
    """What each power of the margin would cost the champion's lists, and earn (AC-F2)."""
    from recsys.data.split import HeldOut

    by_name = {record["name"]: record for record in evidence.fitted}
    name = evidence.champion if evidence.champion in by_name else _best(evidence)
    if name is None:
        return nothing("No contender was judged on the held-out days.")
    rules, data = evidence.settings.contest, evidence.train
    held = evidence.lake.read_value(HeldOut, ref_from(evidence.night["held"]))
    exam, scorer = exams(held, barred_products(data))[rules.track], load_fitted(evidence.lake, by_name[name])
    rate = evidence.settings.shop.take_rate
    rows, power, figures = revenue.frontier_table(scorer, data, exam, rules.at[0], rate, popular_lately(data))
    facts = {"contender": name, "power": power, "k": rules.at[0], **figures}
    return Found(facts, {"frontier": rows}, {f"frontier.{figure}": value for figure, value in figures.items()})


def segments(evidence: Evidence) -> Found:
    """Every contender's primary metric by market, customer, seller and product, from the backtests."""
    rows = [
        {"contender": str(record["name"]), **row} for record in evidence.backtests for row in record.get("segments", ())
    ]
    if not rows:
        return nothing("Nobody was judged on the held-out days.")
    own = [row for row in rows if row["contender"] == evidence.champion and row["kind"] in ("customer", "product")]
    metrics = {f"segments.{row['kind']}.{row['name']}": row["mean"] for row in own}
    return Found({"metric": evidence.settings.contest.primary}, {"segments": rows}, metrics)


def _best(evidence: Evidence) -> str | None:
    """The contender with the best backtest; no champion is there yet on the first night."""
    contest, means = evidence.settings.contest, {}
    for record in evidence.fitted:
        metric = record.get("tracks", {}).get(contest.track, {}).get("metrics", {}).get(contest.primary)
        if metric and metric["mean"] is not None:
            means[str(record["name"])] = float(metric["mean"])
    return min(means, key=lambda name: (-means[name], name)) if means else None
