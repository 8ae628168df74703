"""What the optional tasks of the night found, beside the night's summary run: numbers as metrics, tables as files."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys.data.lake import Lake, ref_from
from recsys.errors import StoreError

Json = Mapping[str, Any]
LARGEST = 20 * 2**20  # bytes of a table; a larger one stays in the lake, its reference is in the JSON


def metrics_of_facts(facts: Mapping[str, Json]) -> dict[str, float]:
    """`demand/own_elasticity` and the like; what is no finite number is left out."""
    found = {f"{task}/{name}": value for task, fact in facts.items() for name, value in _numbers(fact)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def log_facts(client: Any, run: str, lake: Lake, facts: Mapping[str, Json]) -> list[str]:
    """Log `facts/TASK.json` and `facts/TASK/TABLE.parquet`; returns the tables that could not be read."""
    lost = []
    for task, fact in facts.items():
        client.log_dict(run, dict(fact), f"facts/{task}.json")
        for name, ref in dict(fact.get("tables") or {}).items():
            try:
                blob = lake.read(ref_from(ref))
            except (StoreError, KeyError, TypeError):
                lost.append(f"{task}/{name}")
                continue
            if len(blob) <= LARGEST:
                _log_file(client, run, f"facts/{task}", f"{name}{_suffix(str(ref['path']))}", blob)
    return lost


def _numbers(fact: Json) -> Iterator[tuple[str, float]]:
    for name, value in dict(fact.get("metrics") or {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield str(name), float(value)


def _suffix(path: str) -> str:
    return "".join(Path(path).suffixes)


def _log_file(client: Any, run: str, folder: str, name: str, blob: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="recsys-facts-") as local:
        file = Path(local) / name.replace("/", "_")
        file.write_bytes(blob)
        client.log_artifact(run, str(file), folder)
