"""`recsys demand`: panel, ladder and tables on one file, with or without a shop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from recsys.models.demand.panel import Panel


def register(app: typer.Typer) -> None:
    """Add this room's commands to the app."""
    app.command("demand")(demand)


def demand(
    file: Annotated[Path, typer.Argument(help="Product panel in pyblp's column names, or order lines (CSV, Parquet).")],
    spec: Annotated[Path | None, typer.Option(help="TOML: utility, effects, random, ... (docs/demand.md).")] = None,
    agents: Annotated[Path | None, typer.Option(help="People: market_ids, weights, nodes0.., demographics.")] = None,
    rung: Annotated[
        Literal["auto", "ols", "iv", "gmm", "logit", "nested_logit", "blp"],
        typer.Option(help="auto climbs the ladder as far as held-out markets and gates allow."),
    ] = "auto",
    config: Annotated[Path | None, typer.Option(help="recsys.toml with [orders], [markets]: for order lines.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Time limit.")] = 900.0,
    out: Annotated[Path | None, typer.Option("--json", help="Write everything here as JSON.")] = None,
) -> None:
    """Estimate demand: elasticities, diversion and markups with intervals, and the gates that say if to trust them."""
    import time

    from recsys.cli.output import result_file, write_json
    from recsys.contest.counterfactuals import counterfactuals
    from recsys.contract import Run
    from recsys.models.demand import study as studies
    from recsys.models.demand.agents import agents_from
    from recsys.models.demand.read import read_table

    target = result_file(out)
    wanted = studies.read_spec(spec) if spec else None
    panel, origin, from_lines = _panel(file, config)
    if wanted is None:
        wanted = studies.Spec(effects=("product", "segment", "period") if from_lines else ())
    people = agents_from(read_table(agents), panel.space.markets, len(wanted.formulas.tastes)) if agents else None
    run = Run(deadline=time.monotonic() + seconds)
    if origin:
        typer.echo(origin_text(origin))
    system, found = studies.study(panel, wanted, people, rung, run, lambda words: typer.echo(words, err=True))
    found = origin | found | ({"counterfactuals": counterfactuals(system)} if found["eligible"] else {})
    write_json(target, found)
    typer.echo(text_of(found))
    studies.require(found)


def _panel(file: Path, config: Path | None) -> tuple[Panel, dict[str, Any], bool]:
    """(panel, what order lines it was made of, whether it was)."""
    from recsys.models.demand.read import panel_from, read_table

    table = read_table(file)
    if "market_ids" in table.columns or config is None:
        return panel_from(table), {}, False
    return (*_panel_from_lines(file, config), True)


def _panel_from_lines(file: Path, config: Path) -> tuple[Panel, dict[str, Any]]:
    from recsys import config as settings_of
    from recsys.contract import EMPTY, Index, Space
    from recsys.data import frontdoor
    from recsys.data.offers import build_offers
    from recsys.models.demand.panel import Panel

    settings = settings_of.load(config)
    source = settings.orders.model_copy(update={"path": str(file), "url": None, "query": None})
    lines = frontdoor.read_table(source, "orders", settings.shop).accepted
    ids = [Index.of(lines[c].unique()) for c in ("product", "seller", "segment")]
    built = build_offers(lines, Space(EMPTY, *ids), int(lines["day"].max()), settings.markets)  # type: ignore[arg-type]
    return Panel(built.offers, built.space), {"account": built.account.json(), "data": built.report.json()}


def origin_text(origin: dict[str, Any]) -> str:
    """What the panel was made of and can bear, before any estimation."""
    account, data = origin["account"], origin["data"]
    parts = {"given": account["given"], **account["dropped"], "kept": account["kept"]}
    lines = [f"order lines: {name}: {p['lines']:,} lines, {p['units']:,.0f} units, {p['revenue']:,.2f} in money"
             for name, p in parts.items()]  # fmt: skip
    lines += [
        f"zero shares {data['zero_share']:.1%}, price variation within a product {data['price_variation']:.1%} "
        f"(median), prices that never move {data['flat_share']:.1%}",
        f"seller concentration {data['seller_concentration']:.3f} (Herfindahl), five largest "
        f"{data['top_five_sellers']:.1%} of units, orders with one product {data['single_item_share']:.1%}",
    ]
    lines += [f"can bear {rung}: {'yes' if not lacks else f'no, {lacks}'}" for rung, lacks in data["rungs"].items()]
    return "\n".join(lines)


def what_if_text(found: dict[str, Any]) -> list[str]:
    """The first market's changes at today's prices and with prices solved for again."""
    lines = [f"what would happen: {found['cap']}"]
    for market in found["markets"][:1]:
        lines.append(f"market {market['market']}, n = {market['people']:,.0f} people: change of revenue, 90 % interval")
        for row in market["rows"]:
            now, after = row["price"]
            cells = [f"{at} {_what_if_cell(row[at])}" for at in ("fixed", "solved")]
            lines.append(f"  {row['change']:<8}{row['product']:<20}{now:>9.2f} -> {after:<9.2f}{'  '.join(cells)}")
    return lines


def _what_if_cell(found: dict[str, Any]) -> str:
    revenue = found.get("revenue")
    if revenue is None:
        return "n/a"
    value, low, high = (revenue[k] for k in ("value", "low", "high"))
    return f"{value:+.4g}" + ("" if low is None else f" [{low:+.4g}, {high:+.4g}]")


def text_of(found: dict[str, Any]) -> str:
    """The study as a person reads it."""
    panel, own = found["panel"], found["own_elasticity"]
    lines = [f"{panel['rows']:,} rows, {panel['markets']:,} markets, {panel['products']:,} products; "
             f"{panel['zero_share']:.0%} zero shares"]  # fmt: skip
    lines += [f"ladder  {r['name']:<14}{r['words']}" for r in found.get("ladder", [])]
    lines.append(f"{found['rung']}: " + ("eligible" if found["eligible"] else "REFUSED"))
    lines += [f"  {e['name']:<28}{e['value']:>12.4f}  ({e['se']:.4f})" for e in found["estimates"]]
    lines.append(f"own elasticity: mean {own['mean']:.3f}, median {own['median']:.3f}")
    for gate in found["gates"]:
        if gate["verdict"] != "passed":
            lines.append(f"  {gate['verdict']}: {gate['name']}: {gate['words'] or gate['wanted']}")
    tables = found["tables"]
    lines.append(f"market {tables['market']}: own elasticity and markup with 90 % intervals")
    rows = zip(tables["products"], *(_cells(tables[k]) for k in ("own_elasticities", "markups")), strict=True)
    lines += [f"  {name:<20}{elasticity}  {markup}" for name, elasticity, markup in list(rows)[:15]]
    if "counterfactuals" in found:
        lines += what_if_text(found["counterfactuals"])
    return "\n".join(lines)


def _cells(column: dict[str, Any]) -> list[str]:
    values = zip(column["value"], column["low"], column["high"], strict=True)
    return [f"{v:>9.3f} [{low:.3f}, {high:.3f}]" for v, low, high in values]
