"""`recsys assortment` and `recsys opportunity`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.errors import StoreError, UsageError

if TYPE_CHECKING:
    from recsys.assortment.instance import Instance

INPUT = "a number, or mean,sd"
SHOWN = 20  # products to add, keep and drop; the file has them all


def register(app: typer.Typer) -> None:
    """Add this room's commands to the app."""
    app.command("assortment")(assortment)
    app.command("opportunity")(opportunity)


def assortment(
    segment: Annotated[str, typer.Option(help="Segment of the newest generation, as the champion sees it.")] = "",
    size: Annotated[int | None, typer.Option(min=1, help="At most so many; default: publishing.assortment.")] = None,
    instance: Annotated[
        Path | None, typer.Option(help="Or a JSON file that states it all: docs/assortment.md.")
    ] = None,
    constraints: Annotated[Path | None, typer.Option(help="JSON file of rules, in place of the instance's.")] = None,
    config: Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Limit of the search for a proof (mixed logit).")] = 120.0,
    out: Annotated[str | None, typer.Option("--json", help="Write the answer here as JSON.")] = None,
) -> None:
    """Which products to carry, what that is worth, how far from the optimum it can be, what each rule costs."""
    from recsys.assortment.optimise import optimise, to_json
    from recsys.assortment.plan import changes
    from recsys.assortment.read import read_instance
    from recsys.cli.output import result_file

    file = result_file(out)
    if bool(segment) == bool(instance):
        raise UsageError("recsys assortment", got="both" if segment else "neither", wanted="--segment or --instance")
    if instance is not None and size is not None:
        raise UsageError("--size", got="beside --instance", wanted="'size' in the instance or the constraints")
    stated = read_instance(instance, constraints) if instance else _of_segment(segment, size, constraints, config)
    answer = optimise(stated, seconds)
    found = to_json(stated, answer)
    if stated.current is not None:
        found["changes"] = [asdict(change) for change in changes(stated, stated.current, answer)]
    if file is not None:
        write_json(file, found)
    typer.echo(assortment_text(found))


def _of_segment(segment: str, size: int | None, constraints: Path | None, config: str | None) -> Instance:
    from recsys.assortment.published import segment_instance
    from recsys.config import load
    from recsys.data.lake import Lake

    settings = load(config)
    lake = Lake(settings.lake_root)
    return segment_instance(lake, segment, size or settings.publishing.assortment, constraints)


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
    from recsys.cli.money import lines_of, opportunity_json, opportunity_text

    claim = Arithmetic(orders, single_share, input_of(uptake).mean, sales, profit)
    given = Assumptions(
        input_of(uptake), input_of(cannibalised), input_of(returned),
        input_of(profit_share) if profit_share else Assumptions().profit_share, hit_rate,
    )  # fmt: skip
    lines = lines_of(file, config)
    rows = rows_of(lines, given, seed) if lines is not None else ()
    if out is not None:
        write_json(out, opportunity_json(claim, given, rows))
    typer.echo(opportunity_text(claim, given, rows))


def assortment_text(found: dict[str, Any]) -> str:
    """The answer as a person reads it."""
    lines = [f"{found['objective']} per visitor {found['value']:.6g}, at most {found['bound']:.6g} is possible "
             f"(gap {found['gap']:.2%}, {found['status']}; {found['model']}, {found['method']})"]  # fmt: skip
    if found["source"]:
        lines.append(f"choice model: {found['source']}")
    lines.append(f"carry {len(found['set'])} products, {1 - found['outside_share']:.1%} of visitors buy:")
    for product in found["products"]:
        price = f"  price {product['price']:.2f}" if "price" in product else ""
        lines.append(f"  {product['id']:<24} share {product['share']:.4f}  earns {product['earns']:.2f}{price}")
    for binding in found["binding"]:
        least = "" if binding["exact"] else "at least "
        lines.append(f"rule {binding['rule']}: costs {least}{binding['cost']:.6g} per visitor")
    table = found.get("changes", [])
    for change in table[:SHOWN]:
        moved = f"{change['share_before']:.4f} to {change['share_after']:.4f}"
        lines.append(f"{change['action']:<4} {change['product']:<24} share {moved}  {change['reason']}")
    if len(table) > SHOWN:
        lines.append(f"and {len(table) - SHOWN} more: --json OUT has them all")
    return "\n".join([*lines, *(f"note: {note}" for note in found["notes"])])


def write_json(path: Path, value: Any) -> None:
    """Write whole or not at all: a private file, then a rename."""
    private = path.with_name(f".{path.name}.part")
    try:
        private.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        private.replace(path)
    except OSError as error:
        raise StoreError(f"{path}", got=f"{type(error).__name__}: {error.strerror}", wanted="a writable path",
                         cure="Choose another --json path.") from error  # fmt: skip
