"""`recsys opportunity`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.errors import UsageError

if TYPE_CHECKING:
    from recsys.assortment.assumption import Arithmetic, Assumptions, Range
    from recsys.assortment.opportunity import Lines, Opportunity

INPUT = "a number, or mean,sd"
SHOWN = 20  # rows printed; the JSON has all


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("opportunity")(opportunity)


def opportunity(
    file: Annotated[Path | None, typer.Option(help="Order lines, read as [orders] in the config says.")] = None,
    config: Annotated[Path | None, typer.Option(help="recsys.toml; alone: the lines of its lake.")] = None,
    uptake: Annotated[str, typer.Option(help=f"Single-item orders that take one more item; {INPUT}")] = "0.1",
    cannibalised: Annotated[str, typer.Option(help=f"Part of it that would be bought anyway; {INPUT}")] = "0",
    returned: Annotated[str, typer.Option(help=f"Part of the added sales that comes back; {INPUT}")] = "0",
    profit_share: Annotated[str, typer.Option(help=f"Profit per unit of added sales; {INPUT}")] = "",
    hit_rate: Annotated[float | None, typer.Option(min=0, max=1, help="The champion's on second items.")] = None,
    orders: Annotated[float, typer.Option(help="The claim: orders.")] = 2_000_000,
    single_share: Annotated[float, typer.Option(help="The claim: part of them with one item.")] = 1.0,
    sales: Annotated[float, typer.Option(help="The claim: sales that one more item brings.")] = 3_500_000,
    profit: Annotated[float, typer.Option(help="The claim: profit of it.")] = 1_000_000,
    seed: int = 0,
    out: Annotated[Path | None, typer.Option("--json", help="Write the answer here as JSON.")] = None,
) -> None:
    """What one more item per single-item order is worth: the claim's arithmetic, and your own orders' answer."""
    from recsys.assortment.assumption import Arithmetic, Assumptions, input_of
    from recsys.assortment.opportunity import opportunity as rows_of
    from recsys.cli.output import result_file, write_json

    target = result_file(out)
    claim = Arithmetic(orders, single_share, input_of(uptake).mean, sales, profit)
    given = Assumptions(
        input_of(uptake), input_of(cannibalised), input_of(returned),
        input_of(profit_share) if profit_share else Assumptions().profit_share, hit_rate,
    )  # fmt: skip
    lines = lines_of(file, config)
    rows = rows_of(lines, given, seed) if lines is not None else ()
    write_json(target, opportunity_json(claim, given, rows))
    typer.echo(opportunity_text(claim, given, rows))


def lines_of(file: Path | None, config: Path | None) -> Lines | None:
    """The shop's order lines from a file or from the lake; None without either. Raises DataError, UsageError."""
    from recsys import config as settings_of
    from recsys.contest.money import lines_of as of_sales
    from recsys.data.dataset import sales_until

    if file is None and config is None:
        return None
    settings = settings_of.load(config)
    lines, day = _from_file(file, settings) if file is not None else _from_lake(settings)
    return of_sales(sales_until(lines, day))


def _from_file(file: Path, settings: Any) -> tuple[Any, int]:
    from recsys.data import frontdoor

    source = settings.orders.model_copy(update={"path": str(file), "url": None, "query": None})
    lines = frontdoor.read_table(source, "orders", settings.shop).accepted
    return lines, int(lines["day"].max())  # type: ignore[arg-type]


def _from_lake(settings: Any) -> tuple[Any, int]:
    from recsys.data.ingest import day_range, lake_orders
    from recsys.data.lake import Lake

    lake = Lake(settings.lake_root)
    last = day_range(lake)[1]
    if last is None:
        raise UsageError("recsys opportunity", got="an empty lake", cure="Run `recsys ingest` first, or give --file.")
    return lake_orders(lake, last), last


def opportunity_json(claim: Arithmetic, given: Assumptions, rows: Sequence[Opportunity]) -> dict[str, Any]:
    """The documented form of docs/assortment.md."""
    stated = asdict(claim) | {"per_order": claim.per_order, "profit_share": claim.profit_share}
    return {"claim": stated, "assumptions": asdict(given), "rows": [asdict(row) for row in rows]}


def opportunity_text(claim: Arithmetic, given: Assumptions, rows: Sequence[Opportunity]) -> str:
    """Assumptions beside results."""
    from recsys.assortment.assumption import Arithmetic

    lines = [
        f"The claim: {claim.orders:,.0f} orders, {claim.single_share:.0%} of them with one item, {claim.uptake:.4g} of "
        f"those take one more: {claim.sales:,.0f} of sales is {claim.per_order:.4f} for each of {claim.converted:,.0f} "
        f"orders; {claim.profit:,.0f} of profit is {claim.profit_share:.4f} of the added sales.",
    ]
    if claim.single_share == 1:
        part = Arithmetic(claim.orders, 0.8, claim.uptake, claim.sales, claim.profit)
        lines.append(f"  Were 80 % of the orders single-item orders, each would have to add {part.per_order:.4f}.")
    if rows:
        stated = ", ".join(f"{name} {words}" for name, words in given.stated().items())
        lines += ["Your orders, under the assumptions: " + stated, *_table(rows)]
    return "\n".join(lines)


def _table(rows: Sequence[Opportunity]) -> list[str]:
    lines = []
    for row in rows[:SHOWN]:
        lines.append(
            f"{row.scope}: {row.single_orders:,} of {row.orders:,} orders have one item "
            f"({row.single_share.middle:.1%}); an added line is worth {_money(row.line)}, the median of "
            f"{row.pairs:,} two-item orders (mean {row.line_mean.middle:,.2f})"
        )
        lines.append(f"  sales {_money(row.sales)}, profit {_money(row.profit)}")
        lines.append(f"  sales at the mean line {_money(row.sales_at_mean)}")
        if row.within_reach is not None:
            lines.append(f"  of it the champion's list would have shown {_money(row.within_reach)}")
        if row.orders_per_arm is not None:
            lines.append(f"  an A/B test proves the uptake with {row.orders_per_arm:,} orders per arm")
        lines += (
            [f"  {name}: {low:,.2f} to {high:,.2f}" for name, low, high in row.swings] if row.scope == "shop" else []
        )
        lines += [f"  note: {note}" for note in row.notes]
    if len(rows) > SHOWN:
        lines.append(f"and {len(rows) - SHOWN} more sellers: --json has them all")
    return lines


def _money(amount: Range) -> str:
    return f"{amount.middle:,.2f} [{amount.low:,.2f}; {amount.high:,.2f}]"
