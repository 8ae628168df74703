"""`recsys up | down | demo | preflight`: the local MLflow and Airflow, and a night through them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recsys.config import Settings
    from recsys.stack.demo import Outcome
    from recsys.stack.servers import Place

Config = Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")]


def register(app: typer.Typer) -> None:
    for command in (up, down, demo):
        app.command()(command)
    app.command("preflight")(check)


def up(
    config: Config = None,
    schedule: Annotated[bool | None, typer.Option("--schedule/--no-schedule", help="Nights at their time.")] = None,
) -> None:
    """Start MLflow and Airflow on this machine, or find them running."""
    from recsys.stack import airflow, control

    settings, file = _load(config)
    place = control.up(settings, file, _say, scheduled=schedule)
    for run in airflow.unfinished(control.connect(place)):
        _say(f"The night {run} has not ended: Airflow goes on with it, within minutes after a crash.")
    _addresses(settings, place)


def down(config: Config = None) -> None:
    """End every process that `recsys up` or `recsys demo` started, also after a crash."""
    from recsys.stack import control

    settings, _ = _load(config)
    ended = control.down(settings.runtime_folder)
    _say(f"Ended {ended} processes." if ended else "Nothing was running.")


def demo(
    config: Config = None,
    again: Annotated[bool, typer.Option("--again", help="Run another night even if there is a result.")] = False,
) -> None:
    """One night through Airflow and MLflow with live progress; shows the last result if there is one."""
    from recsys.stack import control
    from recsys.stack import demo as night

    settings, file = _load(config)
    known = night.last(settings)
    if known and not again:
        _show(settings, file, known)
        if not _wants_another():
            _say("Another night: recsys demo --again (make demo AGAIN=1). The same day run again changes nothing.")
            _standing(settings)
            return
    _preflight(settings)
    place, console = control.found(settings), _console()
    fresh = place is None or not control.is_running(settings, place)
    place = control.up(settings, file, _say)
    if fresh:
        night.close_interrupted(place, console)
    outcome = night.run_night(settings, place, console)
    _show(settings, file, outcome)
    _addresses(settings, place)


def check(
    config: Config = None,
    torch: Annotated[str, typer.Option(help="cpu or gpu: also what an installation needs.")] = "",
) -> None:
    """Look whether this machine has what the demo needs, a sentence each."""
    from recsys.stack import preflight

    settings, _ = _load(config)
    findings = preflight.look(settings.runtime_folder, torch)
    for finding in findings:
        _say(f"{'ok  ' if finding.ok else 'MISSING' if finding.blocks else 'note'}  {finding.sentence}")
    if any(finding.blocks for finding in findings):
        raise typer.Exit(1)


def _load(config: str | None) -> tuple[Settings, Path]:
    from recsys.config import config_path, load

    file = config_path(config)
    return load(file), file


def _preflight(settings: Settings) -> None:
    from recsys.errors import ServiceError
    from recsys.stack import preflight

    for finding in preflight.look(settings.runtime_folder, ports={}):
        if finding.blocks:
            raise ServiceError("This machine lacks something", got=finding.sentence)
        if not finding.ok:
            _say(finding.sentence)


def _wants_another() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and typer.confirm("Run another night?", default=False)


def _show(settings: Settings, file: Path, outcome: Outcome) -> None:
    """The leaderboard, the decision in words, where lists and report are, and a command that shows a list."""
    from recsys.cli.night import show_leaderboard
    from recsys.cli.output import whereabouts

    if outcome.decision:
        show_leaderboard(dict(outcome.decision))
    if outcome.why and outcome.why not in "; ".join(outcome.decision.get("reasons", ())):
        _say(outcome.why)
    champion = outcome.decision.get("champion")
    if outcome.generation:
        _say(f"\nServed as of {outcome.as_of}: {champion}, {outcome.generation}")
        for line in whereabouts(settings, file, settings.lake_root, outcome.generation):
            _say(line)


def _standing(settings: Settings) -> None:
    from recsys.stack import control

    place = control.found(settings)
    if place and control.is_running(settings, place):
        _addresses(settings, place)
    else:
        _say("MLflow and Airflow are not running: recsys up (make up) starts them.")


def _addresses(settings: Settings, place: Place) -> None:
    from recsys.stack import demo as night
    from recsys.stack import preflight

    _say(f"MLflow   {night.experiment_page(settings, place)}")
    _say(f"Airflow  {place.airflow_url}   login {night.login(place)}")
    away = preflight.forwarding({"airflow": place.airflow_port, "mlflow": place.mlflow_port}, os.environ)
    if away:
        _say(away)
    when = f"on ({settings.night.schedule}, {settings.night.timezone})" if place.scheduled else "off"
    how = "" if place.scheduled else "; `recsys up --schedule` switches it on"
    _say(f"The services are left running (make stop ends them). The nightly schedule is {when}{how}.")


def _console() -> Any:
    from rich.console import Console

    return Console()


def _say(text: str) -> None:
    typer.echo(text)
