"""Where a command may write its result, and how it says where things lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from recsys.errors import UsageError

if TYPE_CHECKING:
    from recsys.config import Settings


def result_file(path: str | None) -> Path | None:
    """The file to write, known to be writable before the work begins; raises UsageError."""
    if not path:
        return None
    file = Path(path)
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"{path} cannot be written", got="a folder" if file.is_dir() else f"no folder {file.parent}")
    return file


def whereabouts(settings: Settings, config: Path, generation: Path) -> list[str]:
    """Where lists and report lie, and a command that shows somebody's list as it stands."""
    page = settings.runtime_folder / "reports" / "latest.html"
    return [
        f"Lists    {near(generation)}{os.sep}lists.parquet",
        f"         {near(Path(sys.argv[0]))} recommend {quote(_somebody(generation))} --config {quote(near(config))}",
        *([f"Report   {near(page)}"] if page.exists() else []),
    ]


def near(path: Path) -> str:
    """Relative to where the person stands, when it lies below."""
    whole = path.absolute()
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(path)


def _somebody(generation: Path) -> str:
    """A customer who has a list of their own."""
    import polars as pl

    lists = generation / "lists.parquet"
    if not lists.exists():
        return "CUSTOMER"
    known = pl.scan_parquet(lists).select(pl.col("customer").drop_nulls().first()).collect()
    return str(known.item() or "CUSTOMER")
