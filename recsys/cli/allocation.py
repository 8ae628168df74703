"""`recsys allocation`: who sees which arm, and the switch per seller."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from recsys.data.lake import Lake

Config = Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")]


def register(app: typer.Typer) -> None:
    traffic = typer.Typer(help="Who sees which arm, and which sellers' surfaces the champion serves.")
    traffic.command("show")(show)
    traffic.command("set")(switch)
    app.add_typer(traffic, name="allocation", no_args_is_help=True)


def show(
    seller: Annotated[str, typer.Option(help="Shares that hold on this seller's surfaces.")] = "", config: Config = None
) -> None:
    """Shares of traffic of the generation being served, sellers switched off, tests that run."""
    from recsys.publication import current, read_file
    from recsys.ranking.assign import Allocation

    lake = _lake(config)
    entry = current(lake)
    text = read_file(lake, entry, "allocation.json").decode()
    allocation, whole = Allocation.from_json(text), json.loads(text)
    typer.echo(f"generation  {entry.name}, champion {entry.manifest['champion']}")
    for arm, share in zip(allocation.arms, allocation.of(seller), strict=True):
        typer.echo(f"  {arm:<24} {share:>7.1%}")
    own = sorted(set(allocation.sellers) - set(whole.get("off", ())))
    typer.echo(f"own shares  {', '.join(own) or 'no seller'}")
    typer.echo(f"off         {', '.join(whole.get('off', ())) or 'no seller'}")
    for name, test in whole.get("tests", {}).items():
        shares = ", ".join(f"{arm} {share:.0%}" for arm, share in zip(test["arms"], test["shares"], strict=True))
        typer.echo(f"test        {name}: {shares}")


def switch(
    sellers: Annotated[list[str], typer.Argument(help="Sellers' ids.")],
    on: Annotated[bool, typer.Option("--on/--off", help="Does the champion serve their surfaces?")],
    why: Annotated[str, typer.Option(help="Your reason; it is kept.")] = "switched by hand",
    config: Config = None,
) -> None:
    """Switch the champion on or off for sellers, at once and until it is switched back.

    A seller that is off shows what sells lately in the segment.
    """
    from recsys.contest import arms

    lake = _lake(config)
    off = set(arms.switched_off(lake))
    entry = arms.switch(lake, sorted(off - set(sellers) if on else off | set(sellers)), why)
    told = ", ".join(entry.manifest["off"]) or "nobody"
    typer.echo(f"{entry.name} is served: the champion is off for {told}.")


def _lake(config: str | None) -> Lake:
    from recsys.config import load
    from recsys.data.lake import Lake

    return Lake(load(config).lake_root)
