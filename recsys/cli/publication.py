"""What is published, asked from the command line: recommend, similar, complete, champion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

Config = Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")]
Size = Annotated[int, typer.Option("--k", min=1, help="How many products.")]


def register(app: typer.Typer) -> None:
    questions: tuple[Callable[..., None], ...] = (recommend, similar, complete)
    for question in questions:
        app.command()(question)
    champion = typer.Typer(help="Who is champion, since when, and how to go back.", no_args_is_help=True)
    orders: tuple[Callable[..., None], ...] = (show, history, promote, rollback, release, doctor)
    for order in orders:
        champion.command()(order)
    app.add_typer(champion, name="champion")


def recommend(
    customer: Annotated[str, typer.Argument(help="A customer id; an unknown one gets the default list.")],
    segment: Annotated[str, typer.Option(help="Segment of an unknown customer.")] = "",
    k: Size = 10,
    config: Config = None,
) -> None:
    """What to show a customer next, from the generation being served."""
    import polars as pl

    from recsys.cli.output import titles_of
    from recsys.publication import read_table

    lake, entry = _served(config)
    lists = read_table(lake, entry, "lists.parquet")
    for owner in (customer, f"segment:{segment}", "default"):
        rows = lists.filter(pl.col("customer") == owner).sort("rank").head(k)
        if rows.height:
            break
    if owner != customer:
        whose = owner.removeprefix("segment:")
        typer.echo(f"{customer} has no list of its own (unknown, or no order lately): the list of {whose}.", err=True)
    _print(rows, titles_of(lake, entry))


def similar(product: Annotated[str, typer.Argument(help="A product id.")], k: Size = 10, config: Config = None) -> None:
    """Products like this one."""
    import polars as pl

    from recsys.cli.output import titles_of
    from recsys.publication import read_table

    lake, entry = _served(config)
    related = read_table(lake, entry, "related.parquet")
    _known(product, lake, entry)
    _print(related.filter(pl.col("beside") == product).sort("rank").head(k), titles_of(lake, entry))


def complete(
    products: Annotated[list[str], typer.Argument(help="Product ids in the basket.")],
    k: Size = 10,
    config: Config = None,
) -> None:
    """What completes a basket of one or more products."""
    import numpy as np
    import polars as pl

    from recsys.cli.output import titles_of
    from recsys.publication import read_file, read_table
    from recsys.ranking.complete import complete_basket
    from recsys.scorers.store import load_scorer

    lake, entry = _served(config)
    for product in products:
        _known(product, lake, entry)
    scorer = load_scorer(read_file(lake, entry, "complements.safetensors"))
    catalogue = read_table(lake, entry, "products.parquet")
    gone = set(catalogue.filter(~pl.col("available"))["product"].to_list())
    barred = np.array([p in gone for p in scorer.space.products.ids])
    rows = complete_basket(scorer, products, k, barred)
    _print(
        pl.DataFrame(rows, schema={"rank": pl.Int32, "product": pl.String, "score": pl.Float32, "reason": pl.String}),
        titles_of(lake, entry),
    )


def show(config: Config = None) -> None:
    """The champion, the generation served, and why."""
    from recsys import publication

    lake = _lake(config)
    now = publication.standing(lake)
    if now.served is None:
        publication.current(lake)  # says that nothing is published
        return
    m = now.served
    typer.echo(f"champion    {now.champion} (since {now.since})")
    typer.echo(f"generation  gen-{int(m['number']):06d}, as of {m['as_of']}, created {m['created']}")
    typer.echo(f"scorer      {m['scorer_age_nights']} nights old")
    typer.echo(f"barred      {', '.join(now.barred) or 'nobody'}{'; publishing is held' if now.held else ''}")
    for name, file in m["files"].items():
        typer.echo(f"  {name:<26} {file['rows']:>9,} rows  sha256 {file['sha256'][:12]}")
    for reason in m["reasons"]:
        typer.echo(f"why: {reason}")


def history(config: Config = None) -> None:
    """Every entry of the sequence, oldest first."""
    from recsys import publication

    for entry in publication.entries(_lake(config)):
        m = entry.manifest
        why = m.get("why") or " ".join(m.get("reasons", ()))
        typer.echo(
            f"{entry.name}  {entry.kind:<8} as of {m['as_of']}  serves {entry.serves}  {m['champion']:<20} {why}"
        )


def promote(
    contender: Annotated[str, typer.Argument(help="A contender of the last night.")],
    why: Annotated[str, typer.Option(help="Your reason; it is kept.")] = "by hand",
    config: Config = None,
) -> None:
    """Make a contender champion by hand: it is published by the next night."""
    from recsys import publication

    entry = publication.promote(_lake(config), contender, why)
    typer.echo(f"{entry.name}: {contender} becomes champion with the next night's publication.")


def rollback(
    why: Annotated[str, typer.Option(help="Your reason; it is kept.")] = "rolled back by hand", config: Config = None
) -> None:
    """Serve the generation before the last change again, at once, and hold."""
    from recsys import publication
    from recsys.config import load
    from recsys.serving.push import follow

    settings, lake = load(config), _lake(config)
    entry = publication.rollback(lake, why)
    m = entry.manifest
    typer.echo(f"{entry.serves} is served again (champion {m['champion']}, as of {m['as_of']}).")
    if m["held"]:
        typer.echo("Publishing is held until `recsys champion release`.")
    elif m["barred"]:
        typer.echo(f"Not promoted automatically until `recsys champion release`: {', '.join(m['barred'])}.")
    if rows := follow(settings, lake, entry.serves):
        typer.echo(f"{rows:,} rows of its lists went to the shop's database.")


def release(config: Config = None) -> None:
    """Lift what a rollback bound."""
    from recsys import publication

    publication.release(_lake(config))
    typer.echo("Released: publishing goes on and every contender may be promoted again.")


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended.")] = False, config: Config = None
) -> None:
    """Do generations, files, pointer, traffic and MLflow agree? Exit code 1 when they do not."""
    from recsys import publication
    from recsys.config import load
    from recsys.tracking import reconcile

    settings, lake = load(config), _lake(config)
    mirrored, note = reconcile(settings, lake, fix)
    found = [*publication.doctor(lake, fix), *_traffic(lake), *mirrored]
    for sentence in [*found, *filter(None, [note])]:
        typer.echo(sentence)
    if not found:
        typer.echo("Generations, files and pointer agree" + ("." if note else ", and MLflow with them."))
    elif not all(sentence.endswith("Mended.") for sentence in found):
        raise typer.Exit(1)


def _traffic(lake: Any) -> list[str]:
    """A rollback serves files of a night that knew less of the switch per seller."""
    from recsys import publication
    from recsys.contest.arms import switched_off

    history = list(publication.entries(lake))
    said = list(publication.current(lake).manifest.get("off", ())) if history else []
    wanted = switched_off(lake)
    if said == wanted:
        return []
    told, served = (", ".join(sellers) or "nobody" for sellers in (wanted, said))
    return [f"Switched off last were {told}; what is served has {served}: `recsys allocation set` puts it right."]


def _lake(config: str | None) -> Any:
    from recsys.config import load
    from recsys.data.lake import Lake

    return Lake(load(config).lake_root)


def _served(config: str | None) -> tuple[Any, Any]:
    from recsys import publication

    lake = _lake(config)
    return lake, publication.current(lake)


def _known(product: str, lake: Any, entry: Any) -> None:
    import difflib

    from recsys.errors import UsageError
    from recsys.publication import read_table

    ids = read_table(lake, entry, "products.parquet")["product"].to_list()
    if product not in ids:
        near = difflib.get_close_matches(product, ids, 3)
        raise UsageError(
            f"No product {product!r} is published", cure=f"Did you mean {', '.join(near)}?" if near else ""
        )


def _print(rows: Any, titles: dict[str, str]) -> None:
    for row in rows.iter_rows(named=True):
        title = (titles.get(row["product"]) or "")[:40]
        typer.echo(f"{row['rank']:>3}  {row['product']:<12} {title:<40}  {row['score']:>9.4f}  {row['reason']}")
