"""Where a command may write its result."""

from __future__ import annotations

from pathlib import Path

from recsys.errors import UsageError


def result_file(path: str | None) -> Path | None:
    """The file to write, known to be writable before the work begins; raises UsageError."""
    if not path:
        return None
    file = Path(path)
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"{path} cannot be written", got="a folder" if file.is_dir() else f"no folder {file.parent}")
    return file
