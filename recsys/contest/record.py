"""Fits and backtests as records in the lake: done once per input, read again by every later try."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import recsys
from recsys import arrays
from recsys.contest.isolated import Job, Result, fit
from recsys.contract import Part, Scorer, settings_of
from recsys.data.lake import Lake, ref_from
from recsys.data.split import validation_split
from recsys.errors import ConfigError
from recsys.models import catalog
from recsys.scorers.store import load_scorer

Record = dict[str, Any]


def key_of(*inputs: Any) -> str:
    """Digest of everything a result depends on."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Inputs:
    """References of what a fit learns from: the dataset, yesterday's state to start warm from, a blend's parts."""

    dataset: Record
    start: Record | None = None
    parts: Mapping[str, Record] = field(default_factory=dict)

    @property
    def digests(self) -> list[Any]:
        """sha256 of each."""
        parts = sorted((name, part["sha256"]) for name, part in self.parts.items())
        return [self.dataset["sha256"], self.start and self.start["sha256"], parts]


def fit_record(
    lake: Lake, name: str, contender: Mapping[str, Any], inputs: Inputs, limits: Mapping[str, Any]
) -> Record:
    """Fit one contender on stored inputs in a child; the record of an equal fit is returned as it is."""
    family, settings = str(contender["family"]), dict(contender["settings"])
    try:
        settings = settings_of(catalog.build(family, settings))
    except ConfigError as error:
        return {"name": name, "family": family, "settings": settings, "status": "failed", "reason": str(error)}
    folder = f"fits/{name}/{key_of(recsys.__version__, family, settings, limits['seed'], *inputs.digests)}"
    known: Record | None = lake.known(f"{folder}/record.json")
    if known is not None:
        return known
    result = _fit(lake, family, settings, inputs, limits)
    record = _record(lake, folder, name, family, settings, result)
    if result.passing:  # killed or out of memory: another try may do better
        return record
    stored: Record = lake.once(f"{folder}/record.json", lambda: record)
    return stored


def load_fitted(lake: Lake, record: Record) -> Scorer:
    """The scorer of an ok record."""
    scorer: Scorer = load_scorer(lake.read(ref_from(record["scorer"])))
    return scorer


def _fit(lake: Lake, family: str, settings: Mapping[str, Any], inputs: Inputs, limits: Mapping[str, Any]) -> Result:
    with tempfile.TemporaryDirectory(prefix="recsys-job-") as folder:
        local = Path(folder)

        def place(name: str, blob: bytes) -> str:
            (local / name).write_bytes(blob)
            return str(local / name)

        blob = lake.read(ref_from(inputs.dataset))
        validation = None
        if Part.VALIDATION in catalog.load(family).needs:
            from recsys.contract import Dataset

            data = arrays.from_bytes(Dataset, blob)
            validation = place("validation", arrays.to_bytes(validation_split(data)))
        parts = sorted(inputs.parts.items())
        job = Job(
            family,
            settings,
            place("dataset", blob),
            int(limits["seed"]),
            float(limits["fit_seconds"]),
            int(limits["fit_memory_mb"]),
            start=place("start", lake.read(ref_from(inputs.start))) if inputs.start else None,
            parts={name: place(f"part-{i}", lake.read(ref_from(part))) for i, (name, part) in enumerate(parts)},
            validation=validation,
        )
        return fit(job)


def _record(lake: Lake, folder: str, name: str, family: str, settings: Mapping[str, Any], result: Result) -> Record:
    record: Record = {
        "name": name,
        "family": family,
        "settings": dict(settings),
        "status": result.status,
        "reason": result.reason,
        "fit_seconds": result.fit_seconds,
        "fit_cpu_seconds": result.fit_cpu_seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "report": dict(result.report),
        "progress": list(result.progress),
    }
    if result.scorer is not None and result.state is not None:
        record["scorer"] = lake.put_new(f"{folder}/scorer.safetensors", result.scorer).json()
        record["state"] = lake.put_new(f"{folder}/state.safetensors", result.state).json()
    return record
