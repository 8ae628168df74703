"""recsys.toml and RECSYS_* environment read into Settings; what is wrong is named with its key and the cure."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from recsys.config.settings import Settings
from recsys.errors import ConfigError, did_you_mean

ENV_PREFIX = "RECSYS_"


def config_path(path: str | Path | None = None) -> Path:
    """The file to read: the argument, $RECSYS_CONFIG or ./recsys.toml."""
    return Path(path or os.environ.get("RECSYS_CONFIG") or "recsys.toml").resolve()


def load(path: str | Path | None = None) -> Settings:
    """Read recsys.toml and the environment; raises ConfigError that names the key and the cure."""
    file = config_path(path)
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "No configuration",
            got=f"no file {file}",
            wanted="a recsys.toml",
            cure="Run `recsys init orders.csv` to write one, or set RECSYS_CONFIG.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML", got=error, cure="Mend the line that is named.") from None
    return parse({**_with_environment(tree), "folder": str(file.parent)}, where=str(file))


def parse(tree: dict[str, Any], where: str = "settings") -> Settings:
    """Settings from a plain tree; raises ConfigError."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error, where)) from None


def _with_environment(tree: dict[str, Any]) -> dict[str, Any]:
    for name, text in sorted(os.environ.items()):
        keys = name.removeprefix(ENV_PREFIX).lower().split("__")
        if (
            not name.startswith(ENV_PREFIX)
            or keys[0] not in Settings.model_fields
            or (len(keys) == 1 and keys[0] not in ("runtime", "lake"))
        ):
            continue
        at = tree
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        at[keys[-1]] = _value(text)
    return tree


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError, where: str) -> str:
    sentences = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        place = f"[{'.'.join(path)}] " if path else ""  # what binds two sections names its own keys
        text = f"{where}: {place}{problem['msg'].removeprefix('Value error, ')}"
        if problem["type"] == "extra_forbidden":
            text = f"{where}: unknown key {'.'.join(path)}. {did_you_mean(path[-1], _keys_near(path))}".rstrip()
        elif "input" in problem and not isinstance(problem["input"], dict):
            text += f", got {problem['input']!r}"
        sentences.append(text)
    return "\n".join(sentences)


def _keys_near(path: list[str]) -> list[str]:
    model: Any = Settings
    for part in path[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
