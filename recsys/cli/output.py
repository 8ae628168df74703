"""Where a command may write its result, and how it says where things lie."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

from recsys.errors import UsageError

if TYPE_CHECKING:
    from recsys.config import Settings
    from recsys.data.lake import Lake
    from recsys.publication import Entry


def result_file(path: str | Path | None) -> Path | None:
    """The file to write, known to be writable before the work begins; raises UsageError."""
    if not path:
        return None
    file = Path(path)
    if file.is_dir() or not file.parent.is_dir():
        got = "a folder" if file.is_dir() else f"no folder {file.parent}"
        raise UsageError(f"{path} cannot be written", got=got, wanted="a file that can be written")
    return file


def write_json(file: Path | None, value: Any) -> None:
    """Write a value, dataclasses included, if a file was asked for; what is not a finite number becomes null."""
    if file is not None:
        write_text(file, json.dumps(plain(value), indent=1, allow_nan=False) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write whole or not at all; raises UsageError where it cannot be written."""
    private = file.with_name(f".{file.name}.part")
    try:
        private.write_text(text, encoding="utf-8")
        private.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written", got=error.strerror, cure="Choose another file.") from None


def plain(value: Any) -> Any:
    """A value of dataclasses as JSON: what is not a finite number becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def titles_of(lake: Lake, entry: Entry) -> dict[str, str]:
    """Titles of a generation's products, by id; "" where there is none."""
    from recsys.publication import read_table

    products = read_table(lake, entry, "products.parquet", ["product", "title"])
    return {product: title or "" for product, title in products.iter_rows()}


def whereabouts(settings: Settings, config: Path, root: str, generation: str) -> list[str]:
    """Where a generation's lists and the report lie, and a command that shows somebody's list as it stands."""
    from recsys.data.lake import Lake

    path, page = f"generations/{generation}/lists.parquet", settings.runtime_folder / "reports" / "latest.html"
    command = (near(Path(sys.argv[0])), "recommend", _somebody(Lake(root), path), "--config", near(config))
    return [
        f"Lists    {f'{root}/{path}' if '://' in root else near(Path(root) / path)}",
        f"         {join(command)}",
        *([f"Report   {near(page)}"] if page.exists() else []),
    ]


def near(path: Path) -> str:
    """Relative to where the person stands, when it lies below."""
    whole = path.absolute()
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(path)


def _somebody(lake: Lake, lists: str) -> str:
    """A customer who has a list of their own."""
    if not lake.exists(lists):
        return "CUSTOMER"
    known = lake.read_frame(lists)["customer"].drop_nulls()
    return str(known[0]) if len(known) else "CUSTOMER"
