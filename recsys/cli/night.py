"""`recsys run` and `recsys replay`: the night without Airflow, once or many times."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command("run")(run)
    app.command("replay")(replay)


def run(
    config: Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Last day the models may know; default: the last full day.")] = None,
    contenders: Annotated[str, typer.Option(help="Names, comma separated; default: all that are ticked.")] = "",
    promotion: Annotated[str, typer.Option(help="auto, approve or off; default: [night] promotion.")] = "",
    tune: Annotated[bool, typer.Option("--tune", help="Search each contender's settings first.")] = False,
    out: Annotated[str | None, typer.Option("--json", help="Write the night's result to this file.")] = None,
) -> None:
    """Run one night here, without Airflow: ingest, prepare, judge, backtest, decide, fit, publish, register, report.

    The same day run again changes nothing.
    """
    from recsys.cli.output import result_file, write_json
    from recsys.config import config_path
    from recsys.night import run_night

    file = result_file(out)
    began = time.monotonic()

    def tell(step: str, text: str) -> None:
        typer.echo(f"{time.monotonic() - began:7.1f} s  {step:<9} {text}", err=True)

    names = [n.strip() for n in contenders.split(",") if n.strip()]
    asked = {"config": config, "as_of": as_of, "contenders": names, "promotion": promotion, "tune": tune}
    result = run_night(asked, tell)
    show_leaderboard(result["decision"])
    show_served(result, config_path(config))
    write_json(file, result)


def show_served(result: dict[str, Any], file: Path) -> None:
    """What is served now, or why nothing new is, and where it lies."""
    from recsys.cli.output import whereabouts
    from recsys.config import load

    published, settings = result["publication"], load(file)
    typer.echo("")
    if not published["current"]:
        typer.echo(published["why"])
    if not published["generation"]:
        return
    typer.echo(f"Served   {published['champion']} as of {published['as_of']}, {published['generation']}")
    for line in whereabouts(settings, file, result["night"]["lake"], published["generation"]):
        typer.echo(line)


def replay(
    nights: Annotated[int, typer.Option(min=2, help="How many nights to live, ending with the last full day.")] = 14,
    contenders: Annotated[str, typer.Option(help="Names, comma separated; default: all that are ticked.")] = "",
    backtest_every: Annotated[int, typer.Option(min=1, help="Nights between two backtests.")] = 28,
    config: Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")] = None,
    out: Annotated[str | None, typer.Option("--json", help="Write a row per night to this file.")] = None,
) -> None:
    """Live NIGHTS nights of your own file, the lake cut at each day, in a root of their own.

    Shows how the champion rule behaves on your data; what is served is not touched. Killed and started again it goes
    on where it was.
    """
    from recsys.cli.output import result_file, write_json
    from recsys.replay import replay as live
    from recsys.replay import verdict

    file = result_file(out)
    began = time.monotonic()

    def tell(night: str, text: str) -> None:
        typer.echo(f"{time.monotonic() - began:7.1f} s  {night}  {text}", err=True)

    names = [n.strip() for n in contenders.split(",") if n.strip()]
    rows = list(live({"config": config, "contenders": names}, nights, backtest_every=backtest_every, tell=tell))
    write_json(file, rows)
    for row in rows:
        if row["action"] in ("first", "promote"):
            typer.echo(f"{row['night']}: {row['reasons'][0]}")
    typer.echo(verdict(rows))


def show_leaderboard(decision: dict[str, Any], track: str = "") -> None:
    """The contenders best first with their intervals, and the decision in words."""
    from rich.console import Console

    from recsys.contest.challenge import power_words

    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(leaderboard_table(decision))
    for row in decision["leaderboard"]:
        if row["status"] != "ok":
            console.print(f"{row['name']}: {row['status']}. {row['reason']}", markup=False)
    for sentence in (*decision["reasons"], power_words(decision.get("power") or {})):
        if sentence:
            console.print(sentence, markup=False)


def leaderboard_table(decision: dict[str, Any]) -> Any:
    """A rich table: NDCG per track at the first cut-off with 95 % intervals, coverage, fit time and memory."""
    from rich.table import Table

    k = _cutoff(decision["leaderboard"])
    table = Table(title=f"Backtest, NDCG@{k} with 95 % interval (basket: hit@{k})")
    for title in ("contender", "new products", "with repeats", "basket", "coverage", "fit s", "MB"):
        first = title == "contender"
        table.add_column(title, justify="left" if first else "right", no_wrap=first)
    for row in decision["leaderboard"]:
        tracks = row["tracks"]
        if row["status"] != "ok":
            continue
        table.add_row(
            row["name"],
            _cell(tracks.get("new"), f"ndcg_at_{k}"),
            _cell(tracks.get("repeats"), f"ndcg_at_{k}"),
            _cell(tracks.get("basket"), f"hit_at_{k}"),
            f"{tracks['new']['whole'][f'coverage_at_{k}']:.1%}" if "new" in tracks else "n/a",
            f"{row['fit_seconds']:.1f}",
            f"{row['peak_memory_mb']:,.0f}",
        )
    return table


def _cutoff(rows: list[dict[str, Any]]) -> int:
    """The first cut-off the leaderboard was measured at; 10 where nothing was."""
    names = (name for row in rows for track in row["tracks"].values() for name in track["metrics"])
    return next((int(name.rsplit("_", 1)[1]) for name in names if name.startswith(("ndcg_at_", "hit_at_"))), 10)


def _cell(track: Any, metric: str) -> str:
    found = (track or {}).get("metrics", {}).get(metric)
    if not found or found["mean"] is None:
        return "n/a"
    return f"{found['mean']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"
