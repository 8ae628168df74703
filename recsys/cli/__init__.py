"""The console command. Thin: each module registers its commands and calls the library."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

import typer

COMMANDS = (
    "start",
    "ingest",
    "simulate",
    "night",
    "contest",
    "tune",
    "publication",
    "allocation",
    "demand",
    "assortment",
    "evidence",
    "money",
    "search",
    "report",
    "stack",
)
PANELS = {
    "Your data": ("init", "check", "ingest", "simulate"),
    "The night": ("run", "replay", "report", "up", "down", "demo", "preflight"),
    "What is served": ("recommend", "similar", "complete", "search", "champion", "allocation"),
    "Models": ("contest", "tune", "demand", "assortment"),
    "Evidence and money": ("ope", "ab", "opportunity"),
}
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def build() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(
        name="recsys",
        help="Assortment recommendations, retrained, judged and published every night.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for name in COMMANDS:
        if importlib.util.find_spec(f"recsys.cli.{name}"):
            importlib.import_module(f"recsys.cli.{name}").register(app)
    panel = {command: title for title, commands in PANELS.items() for command in commands}
    entered: list[Any] = [*app.registered_commands, *app.registered_groups]
    for command in entered:
        command.rich_help_panel = panel.get(command.name or command.callback.__name__)
    return app


def main() -> None:
    """Run a command; a RecsysError becomes one message on stderr and exit code 2."""
    from recsys.errors import RecsysError

    for name in ONE_THREAD:  # two BLAS threads per task make small solves several times slower
        os.environ.setdefault(name, "1")
    try:
        build()()
    except RecsysError as error:
        sys.stderr.write(f"recsys: {error}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write("recsys: interrupted; nothing half written is used.\n")
        raise SystemExit(130) from None
