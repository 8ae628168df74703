"""`recsys contest`: judge contenders on a split you bring."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recsys.config import Contest, Settings


def register(app: typer.Typer) -> None:
    app.command("contest")(contest)


def contest(
    train: Annotated[
        str,
        typer.Argument(
            help="Rows to learn from: columns user,item[,timestamp,weight]; CSV, TSV or Parquet, plain or .gz."
        ),
    ],
    test: Annotated[str, typer.Argument(help="Rows to be judged on, same columns.")],
    candidates: Annotated[
        str | None, typer.Option(help="Columns user,item: rank only these plus the user's test items.")
    ] = None,
    contenders: Annotated[
        str, typer.Option(help="Names, comma separated; default: all of --config, else one per family.")
    ] = "",
    config: Annotated[str | None, typer.Option(help="A recsys.toml with [contenders.NAME] tables.")] = None,
    at: Annotated[str, typer.Option(help="Cut-offs.")] = "10,20",
    keep_seen: Annotated[bool, typer.Option("--keep-seen", help="Let train items be ranked.")] = False,
    validation: Annotated[
        float, typer.Option(help="Fraction of each user's train rows for early stopping and blends.", min=0.0, max=0.5)
    ] = 0.1,
    out: Annotated[str | None, typer.Option("--json", help="Write everything as JSON to this file.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every fit.")] = 0,
    seconds: Annotated[float, typer.Option(help="Time limit per fit.", min=1)] = 900,
) -> None:
    """Judge contenders on a split you bring.

    Each contender is fitted in its own process on TRAIN and ranks the catalogue for every user of TEST; items the user
    has in TRAIN are left out. The table shows means with 95 % customer-bootstrap intervals.

    Example: recsys contest train.csv test.csv --contenders popularity,als,ease --json result.json
    """
    from recsys.cli.entered import entered
    from recsys.cli.output import result_file, write_json
    from recsys.config import load
    from recsys.contest.own import Terms, as_json, hold, verdict
    from recsys.data.pairs import own_split

    file = result_file(out)
    terms = Terms(_cutoffs(at), keep_seen, validation, seed, seconds)
    settings = load(config) if config else None
    chosen, rules = entered(settings, contenders), _rules(settings, terms.at)
    split = own_split(train, test, candidates)
    typer.echo(_describe(split), err=True)
    entrants = hold(split, chosen, terms, _announce)
    decision = verdict(entrants, rules)
    result = as_json(entrants, decision)
    write_json(file, result)
    _show(result, terms.at)


def _cutoffs(text: str) -> tuple[int, ...]:
    from recsys.errors import UsageError

    try:
        at = tuple(dict.fromkeys(int(k) for k in text.split(",")))
    except ValueError:
        at = ()
    if not at or min(at) < 1:
        raise UsageError("--at", got=text, wanted="whole numbers above 0, like 10,20")
    return at


def _rules(settings: Settings | None, at: tuple[int, ...]) -> Contest:
    """What the verdict goes by: popularity is always part of the bar."""
    from recsys.config import Contest

    bar = ("popularity",) if settings is None else tuple(dict.fromkeys((*settings.contest.bar, "popularity")))
    return Contest(at=at, primary=f"ndcg_at_{at[0]}", bar=bar)


def _describe(split: Any) -> str:
    space, events = split.train.space, split.train.events
    return (
        f"{len(space.customers):,} users x {len(space.products):,} items, {len(events.product):,} train rows; "
        f"{len(split.queries):,} users are asked, {len(split.truth.product):,} held-out rows"
    )


def _announce(name: str, event: str, numbers: Mapping[str, Any]) -> None:
    """Progress on stderr, one line per event, epochs included."""
    told = "  ".join(f"{k} {v:.4g}" if isinstance(v, int | float) else f"{v}" for k, v in list(numbers.items())[:5])
    typer.echo(f"  {name:<24} {event:<8} {told}", err=True)


def _show(result: Mapping[str, Any], at: tuple[int, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    first, *rest = dict.fromkeys((f"ndcg@{at[0]}", f"hit@{at[0]}", f"recall@{at[-1]}"))
    table = Table(title=f"Contest, {first} with 95 % interval")
    for title in ("contender", first, *rest, "fit s", "score s", "MB"):
        left = title == "contender"
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    ok = [c for c in result["contenders"] if c["status"] == "ok"]
    for c in sorted(ok, key=lambda c: -(c["metrics"][first]["mean"] or 0)):
        cells = [_cell(c["metrics"][first]), *(_mean(c["metrics"][name]) for name in rest)]
        table.add_row(
            c["name"], *cells, f"{c['fit_seconds']:.1f}", f"{c['score_seconds']:.1f}", f"{c['peak_memory_mb']:,.0f}"
        )
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(table)
    for line in _side_by_side(ok):
        console.print(line, markup=False, highlight=False)
    for c in result["contenders"]:
        if c["status"] != "ok":
            console.print(f"{c['name']}: {c['status']}. {c['reason']}", markup=False)
    for reason in result["decision"]["reasons"]:
        console.print(reason, markup=False)


def _side_by_side(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What collaborative filtering by products and by customers costs, where both took part."""
    lines = {
        family: f"{row['name']:<20} fit {row['fit_seconds']:.2f} s, score {row['score_seconds']:.2f} s, "
        f"{row['peak_memory_mb']:,.0f} MB, scorer {row['scorer_mb']:,.1f} MB"
        for family in ("user_neighbours", "item_neighbours")
        for row in rows
        if row["family"] == family
    }
    return ["Neighbours side by side:", *(f"  {line}" for line in lines.values())] if len(lines) == 2 else []


def _cell(metric: Mapping[str, Any] | None) -> str:
    if metric is None or metric["mean"] is None:
        return "n/a"
    return f"{metric['mean']:.4f} [{metric['low']:.4f}, {metric['high']:.4f}]"


def _mean(metric: Mapping[str, Any]) -> str:
    return "n/a" if metric["mean"] is None else f"{metric['mean']:.4f}"
