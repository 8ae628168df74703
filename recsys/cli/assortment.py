"""`recsys assortment`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.errors import UsageError

if TYPE_CHECKING:
    from recsys.assortment.instance import Instance

SHOWN = 20  # products to add, keep and drop; the file has them all


def register(app: typer.Typer) -> None:
    """Add this room's commands to the app."""
    app.command("assortment")(assortment)


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
    from recsys.cli.output import result_file, write_json

    file = result_file(out)
    if bool(segment) == bool(instance):
        raise UsageError("recsys assortment", got="both" if segment else "neither", wanted="--segment or --instance")
    if instance is not None and size is not None:
        raise UsageError("--size", got="beside --instance", wanted="'size' in the instance or the constraints")
    titles: dict[str, str] = {}
    if instance is not None:
        stated = read_instance(instance, constraints)
    else:
        stated, titles = _of_segment(segment, size, constraints, config)
    answer = optimise(stated, seconds)
    found = to_json(stated, answer)
    if stated.current is not None:
        found["changes"] = [asdict(change) for change in changes(stated, stated.current, answer)]
    write_json(file, found)
    typer.echo(assortment_text(found, titles))


def _of_segment(
    segment: str, size: int | None, constraints: Path | None, config: str | None
) -> tuple[Instance, dict[str, str]]:
    """The published instance of a segment, and what its products are called."""
    from recsys.assortment.published import segment_instance
    from recsys.cli.output import titles_of
    from recsys.config import load
    from recsys.data.lake import Lake
    from recsys.publication import current

    settings = load(config)
    lake = Lake(settings.lake_root)
    found = segment_instance(lake, segment, size or settings.publishing.assortment, constraints)
    return found, titles_of(lake, current(lake))


def assortment_text(found: dict[str, Any], titles: Mapping[str, str]) -> str:
    """The answer as a person reads it."""
    lines = [f"{found['objective']} per visitor {found['value']:.6g}, at most {found['bound']:.6g} is possible "
             f"(gap {found['gap']:.2%}, {found['status']}; {found['model']}, {found['method']})"]  # fmt: skip
    if found["source"]:
        lines.append(f"choice model: {found['source']}")
    lines.append(f"carry {len(found['set'])} products, {1 - found['outside_share']:.1%} of visitors buy:")
    for product in found["products"]:
        price = f"  price {product['price']:.2f}" if "price" in product else ""
        worth = f"share {product['share']:.4f}  earns {product['earns']:.2f}{price}"
        lines.append(f"  {_called(product['id'], titles)} {worth}")
    for binding in found["binding"]:
        least = "" if binding["exact"] else "at least "
        lines.append(f"rule {binding['rule']}: costs {least}{binding['cost']:.6g} per visitor")
    table = found.get("changes", [])
    for change in table[:SHOWN]:
        moved = f"{change['share_before']:.4f} to {change['share_after']:.4f}"
        lines.append(f"{change['action']:<4} {_called(change['product'], titles)} share {moved}  {change['reason']}")
    if len(table) > SHOWN:
        lines.append(f"and {len(table) - SHOWN} more: --json OUT has them all")
    return "\n".join([*lines, *(f"note: {note}" for note in found["notes"])])


def _called(product: str, titles: Mapping[str, str]) -> str:
    """Id and, where it is known, title, as wide as a column."""
    return f"{product:<12} {titles.get(product, '')[:32]:<32}" if titles else f"{product:<24}"
