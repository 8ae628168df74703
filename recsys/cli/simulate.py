"""`recsys simulate`: a marketplace with known truth, written as the files a shop would hand over."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("simulate")(simulate_command)


def simulate_command(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    preset: Annotated[
        str, typer.Option(help="small, demo or large; the other options change single numbers.")
    ] = "demo",
    customers: Annotated[int | None, typer.Option(help="Customers with an account; guests come on top.")] = None,
    products: Annotated[int | None, typer.Option(help="Products, variants counted one by one.")] = None,
    sellers: Annotated[int | None, typer.Option()] = None,
    days: Annotated[int | None, typer.Option(help="Length of the history.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
) -> None:
    """Write a simulated marketplace of customised apparel, with the truth behind it, into OUT."""
    from recsys.data.marketplace import PRESETS
    from recsys.data.simulate import simulate, write
    from recsys.errors import UsageError

    if preset not in PRESETS:
        raise UsageError("simulate --preset", got=preset, wanted=" or ".join(PRESETS))
    wanted = {"customers": customers, "products": products, "sellers": sellers, "days": days, "seed": seed}
    size = dataclasses.replace(PRESETS[preset], **{k: v for k, v in wanted.items() if v is not None})
    rows = write(simulate(size), out)
    for name, count in rows.items():
        typer.echo(f"{count:>9,} rows  {out / name}")
    typer.echo(f"{'the truth':>14}  {out / 'truth.safetensors'}")
