"""`recsys assortment` and `recsys opportunity`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.errors import StoreError


def register(app: typer.Typer) -> None:
    """Add this room's commands to the app."""
    app.command("assortment")(assortment)


def assortment(
    instance: Annotated[Path, typer.Option(help="JSON file: model, utilities, revenues, rules (docs/assortment.md).")],
    constraints: Annotated[Path | None, typer.Option(help="JSON file of rules, in place of the instance's.")] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Limit of the search for a proof (mixed logit).")] = 120.0,
    out: Annotated[Path | None, typer.Option("--json", help="Write the answer here as JSON.")] = None,
) -> None:
    """Which products to carry, what that is worth, how far from the optimum it can be, what each rule costs."""
    from recsys.assortment.optimise import optimise, to_json
    from recsys.assortment.plan import changes
    from recsys.assortment.read import read_instance

    stated = read_instance(instance, constraints)
    answer = optimise(stated, seconds)
    found = to_json(stated, answer)
    if stated.current is not None:
        found["changes"] = [asdict(change) for change in changes(stated, stated.current, answer)]
    if out is not None:
        write_json(out, found)
    typer.echo(assortment_text(found))


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
    for change in found.get("changes", []):
        lines.append(f"{change['action']:<4} {change['product']}: {change['reason']}")
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
