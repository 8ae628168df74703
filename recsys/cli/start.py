"""`recsys init`: from your own file to a recsys.toml."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    orders: Annotated[str, typer.Argument(help="Your order lines: CSV, plain or .gz, or Parquet.")],
    out: Annotated[str, typer.Option(help="Where to write the configuration.")] = "recsys.toml",
    name: Annotated[str, typer.Option(help="Name of the shop: lower case, digits, underscores.")] = "shop",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a recsys.toml for your own order lines, guessed from the header.

    Then: `recsys check FILE` says what would be refused and why; `recsys run` lives one night.
    """
    from recsys.config import parse
    from recsys.data.guess import draft
    from recsys.errors import UsageError

    target = Path(out)
    if target.exists() and not force:
        raise UsageError(f"{out} exists", cure="Choose another --out, or --force to overwrite it.")
    parse({"shop": {"name": name}}, where="--name")
    text, open_points = draft(str(Path(orders).resolve()), name)
    target.write_text(text, encoding="utf-8")
    typer.echo(f"{out} is written.")
    for point in open_points:
        typer.echo(f"Please fill in: {point}")
    given = f"--config {quote(out)}"
    typer.echo(f"Next: recsys check {given}   then   recsys run {given}")
