"""`recsys ingest` and `recsys check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from recsys.config import Settings, TableSource
    from recsys.data.frontdoor import Ingested, Report

EXAMPLES = 3  # refused rows shown per reason


def register(app: typer.Typer) -> None:
    """Add this room's commands to the app."""
    app.command("ingest")(ingest)
    app.command("check")(check)


def ingest(
    config: Annotated[Path | None, typer.Option(help="recsys.toml; default: $RECSYS_CONFIG or the one here.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the report here as JSON.")] = None,
) -> None:
    """Bring new files of recsys.toml into the lake; what is there already is left alone."""
    from recsys import config as settings_of
    from recsys.cli.output import result_file, write_json
    from recsys.data.ingest import ingest as bring
    from recsys.data.ingest import sources_of
    from recsys.data.lake import Lake
    from recsys.errors import ConfigError

    written = result_file(out)
    settings = settings_of.load(config)
    sources = sources_of(settings)
    if not sources:
        raise ConfigError(
            "There is nothing to ingest", got="no table with a path or url", wanted="[orders] path in recsys.toml"
        )
    report = bring(Lake(settings.lake_root), sources, settings.shop, strict=False)
    write_json(written, report.json())
    for file in report.files:
        typer.echo(summary(file))
    for message in report.refused.values():
        typer.echo(f"refused: {message}", err=True)
    if report.refused:
        raise typer.Exit(2)


def check(
    file: Annotated[
        Path | None, typer.Argument(help="CSV, gzipped CSV or Parquet; default: the one of recsys.toml.")
    ] = None,
    table: Annotated[str, typer.Option(help="orders, products, customers or exposures.")] = "orders",
    config: Annotated[Path | None, typer.Option(help="recsys.toml with the column names of this table.")] = None,
) -> None:
    """Say what of a file would be accepted, what quarantined and why; nothing is written."""
    from recsys.data.frontdoor import read_table
    from recsys.data.ingest import expand
    from recsys.data.schema import FIELDS
    from recsys.errors import UsageError

    if table not in FIELDS:
        raise UsageError("--table", got=table, wanted=", ".join(FIELDS))
    settings, source = _source(file, table, config)
    for one in expand(source):
        found = read_table(one, table, settings.shop)
        typer.echo(summary(found.report))
        typer.echo(reasons(found))


def _source(file: Path | None, table: str, config: Path | None) -> tuple[Settings, TableSource]:
    from recsys import config as settings_of
    from recsys.data.ingest import sources_of
    from recsys.errors import UsageError

    given = config is not None or settings_of.config_path().is_file()
    settings = settings_of.load(config) if given or file is None else settings_of.Settings()
    if file is not None:
        source: TableSource = getattr(settings, table)
        return settings, source.model_copy(update={"path": str(file), "url": None, "query": None})
    if table not in sources_of(settings):
        raise UsageError(
            "Nothing to check", got=f"[{table}] without path or url", wanted="recsys check FILE, or a path"
        )
    return settings, sources_of(settings)[table]


def summary(report: Report) -> str:
    """One file in a few lines."""
    from recsys.data.ingest import day_name

    if report.skipped:
        return f"{report.name}: known already ({report.accepted:,} {report.table} rows in the lake), skipped"
    refused = report.rows_in - report.accepted
    lines = [f"{report.name}: {report.rows_in:,} rows = {report.accepted:,} accepted + {refused:,} quarantined"]
    if report.first_day is not None and report.last_day is not None:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in report.kinds.items())
        days = f"{day_name(report.first_day)} to {day_name(report.last_day)}"
        guests = f"; {report.guests:,} lines of guests, {report.late:,} late" if kinds else ""
        lines.append(f"  {days}: {kinds or report.table}{guests}")
    for reason, n in report.quarantined.items():
        lines.append(f"  quarantined {n:,} {reason}")
    for warning, n in report.warnings.items():
        lines.append(f"  note {n:,} {warning}")
    if report.extra_columns:
        lines.append(f"  columns nobody reads: {', '.join(report.extra_columns)}")
    return "\n".join(lines)


def reasons(found: Ingested) -> str:
    """Why rows are quarantined, how to cure it, and the first of them."""
    from recsys.data.schema import REASONS

    lines = []
    for reason in found.report.quarantined:
        lines.append(f"{reason}: {REASONS[reason]}")
        rows = found.quarantined.filter(found.quarantined["reason"] == reason).head(EXAMPLES)
        for row in rows.iter_rows(named=True):
            lines.append(f"  line {row['source_line']}: {visible(row['raw'][:160])}")
    return "\n".join(lines) or "Every row is accepted."


def visible(text: str) -> str:
    """Text that is safe on a terminal: control and direction characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
