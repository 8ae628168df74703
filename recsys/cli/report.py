"""`recsys report`: where the newest page is."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report_command)


def report_command(
    config: Annotated[str | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or ./recsys.toml.")] = None,
    seller: Annotated[str, typer.Option(help="The page of this seller instead, which can be sent to them.")] = "",
    show: Annotated[bool, typer.Option("--open", help="Also open it in the browser.")] = False,
) -> None:
    """Print where the newest night's page is."""
    import webbrowser

    from recsys.config import load

    folder = load(config).runtime_folder / "reports"
    file = seller_page(folder, seller) if seller else newest_page(folder)
    typer.echo(str(file))
    if show and not webbrowser.open(file.as_uri()):
        typer.echo("No browser could be started: open the file above.", err=True)


def newest_page(folder: Path) -> Path:
    """The page of the latest night, by its name; raises UsageError before the first."""
    from recsys.errors import UsageError

    pages = sorted((p for p in folder.glob("*.html") if p.name != "latest.html"), key=_by_night)
    if not pages:
        raise UsageError("There is no report yet", got=f"no page in {folder}", cure="Run a night first: `recsys run`.")
    return pages[-1]


def seller_page(folder: Path, seller: str) -> Path:
    """The newest night's page of one seller; raises UsageError where it has none."""
    from recsys.errors import UsageError

    newest = newest_page(folder).with_suffix("")
    found = sorted(newest.glob(f"*-{zlib.crc32(seller.encode()):08x}.html"))
    if not found:
        raise UsageError(
            f"{seller!r} has no page in {newest.name}", wanted="a seller of that night with enough orders for a page",
            cure="The section on sellers of the night's page says who has one.",
        )  # fmt: skip
    return found[0]


def _by_night(page: Path) -> tuple[str, float, str]:
    """Days first; of one day the page written last."""
    return page.name[:10], page.stat().st_mtime, page.name
