"""`recsys search TEXT`: products for a shopper's words, from the generation being served."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command("search")(search)


def search(
    text: Annotated[list[str], typer.Argument(help="What the shopper typed.")],
    k: Annotated[int, typer.Option("--k", min=1, help="How many products.")] = 10,
    everything: Annotated[bool, typer.Option("--all", help="Products that cannot be bought now as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of a table.")] = False,
    config: Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")] = None,
) -> None:
    """Products for a text, by what its words say and by what is bought with what they mean.

    Example: recsys search white mug with hearts
    """
    import polars as pl

    from recsys.cli.output import titles_of
    from recsys.config import load
    from recsys.data.lake import Lake
    from recsys.errors import StoreError
    from recsys.publication import current, read_file, read_table
    from recsys.ranking.texts import find
    from recsys.scorers.store import load_scorer

    lake = Lake(load(config).lake_root)
    entry = current(lake)
    if "search.safetensors" not in entry.manifest["files"]:
        raise StoreError(
            f"{entry.name} has no search",
            got=entry.manifest.get("lost", {}).get("search", "a night that published none"),
            wanted="products with titles, and search = true in [publishing]",
        )
    scorer = load_scorer(read_file(lake, entry, "search.safetensors"))
    products = read_table(lake, entry, "products.parquet")
    gone = set() if everything else set(products.filter(~pl.col("available"))["product"].to_list())
    rows = find(scorer, " ".join(text), k, gone)
    titles = titles_of(lake, entry)
    if as_json:
        typer.echo(json.dumps([{**row, "title": titles.get(row["product"], "")} for row in rows]))
        return
    for row in rows:
        typer.echo(_line(row, titles))
    if not rows:
        typer.echo("Nothing in any title is like this text.", err=True)


def _line(row: dict[str, Any], titles: dict[str, str]) -> str:
    return f"{row['rank']:>3}  {row['product']:<12} {row['score']:7.2f}  {titles.get(row['product'], '')}"
