"""One fit in a spawned child: a deadline that native code cannot outlive, a memory limit, and always a status."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GRACE_SECONDS = 20.0  # after its own deadline a child may still save what it has
POLL_SECONDS = 0.05
TAIL, LINE = 20, 300  # lines of a traceback that are kept, letters of a last line
CHILD = (sys.executable, "-m", "recsys.contest.child")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What to fit on what; all files are local paths."""

    family: str
    settings: Mapping[str, Any]
    dataset: str
    seed: int
    seconds: float
    memory_mb: int
    start: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    validation: str | None = None


@dataclass(frozen=True)
class Result:
    """How a fit ended. `passing` marks a failure that another try might not meet (killed, out of memory)."""

    status: str  # ok | failed | refused
    reason: str
    fit_seconds: float
    fit_cpu_seconds: float
    peak_memory_mb: float
    report: Mapping[str, Any]
    progress: tuple[Mapping[str, float], ...]
    passing: bool = False
    scorer: bytes | None = None
    state: bytes | None = None


Watch = Callable[[Mapping[str, float]], None]


def fit(job: Job, watch: Watch | None = None) -> Result:
    """Fit in a child process; never raises for what happens in the child. `watch` sees each epoch's numbers."""
    with _folder() as folder:
        (folder / "job.json").write_text(json.dumps(_job_json(job)))
        began = time.monotonic()
        ended, peak = _run_child(folder, job, watch)
        return _collect(folder, job.family, ended, (time.monotonic() - began, peak))


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="recsys-fit-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _job_json(job: Job) -> dict[str, Any]:
    return {
        "family": job.family,
        "settings": dict(job.settings),
        "dataset": job.dataset,
        "seed": job.seed,
        "seconds": job.seconds,
        "start": job.start,
        "parts": dict(job.parts),
        "validation": job.validation,
    }


def _run_child(folder: Path, job: Job, watch: Watch | None) -> tuple[str, float]:
    """How the child ended in words ("" when by itself) and the most memory it was seen to hold."""
    env = os.environ | {name: "1" for name in ONE_THREAD} | {"PYTHONHASHSEED": "0"}
    with (folder / "output.txt").open("wb") as output:
        child = subprocess.Popen(
            [*CHILD, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
        )
        try:
            return _wait(child, job, folder, watch)
        finally:
            _kill(child)


def _wait(child: subprocess.Popen[bytes], job: Job, folder: Path, watch: Watch | None) -> tuple[str, float]:
    import psutil

    limit, peak, told = time.monotonic() + job.seconds + GRACE_SECONDS, 0.0, 0
    process = psutil.Process(child.pid)
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(POLL_SECONDS)
        told = _tell(folder, told, watch)
        if child.returncode is not None:
            return ("" if child.returncode == 0 else _death(child.returncode) + _last_words(folder)), peak
        try:
            peak = max(peak, process.memory_info().rss / 2**20)
        except psutil.Error:
            continue
        if peak > job.memory_mb:
            return f"The fit held {peak:,.0f} MB, more than its limit of {job.memory_mb:,} MB.", peak
        if time.monotonic() > limit:
            return f"The fit passed its deadline of {job.seconds:g} s and was ended.", peak


def _tell(folder: Path, told: int, watch: Watch | None) -> int:
    if watch is None:
        return told
    lines = _progress(folder)
    for line in lines[told:]:
        watch(line)
    return len(lines)


def _kill(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()


def _death(code: int) -> str:
    if code < 0:
        return f"The fit was killed by signal {signal.Signals(-code).name} (out of memory, or somebody ended it)."
    return f"The fit ended with exit code {code}."


def _keep(family: str, folder: Path) -> None:
    """The end of a library's traceback goes to the log: the folder is gone when the fit is."""
    file = folder / "traceback.txt"
    if file.exists():
        log.warning("The fit of %s failed:\n%s", family, "\n".join(file.read_text().splitlines()[-TAIL:]))


def _last_words(folder: Path) -> str:
    """The last line a child that died had written, as a sentence; native code leaves its reason there."""
    lines = (folder / "output.txt").read_text(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f" It said last: {said[-1][:LINE]}" if said else ""


def _progress(folder: Path) -> list[dict[str, float]]:
    file = folder / "progress.jsonl"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _collect(folder: Path, family: str, ended: str, spent: tuple[float, float]) -> Result:
    progress, (seconds, peak) = tuple(_progress(folder)), spent
    file = folder / "result.json"
    _keep(family, folder)
    if ended or not file.exists():
        reason = ended or f"The fit left no result.{_last_words(folder)}"
        return Result("failed", reason, seconds, seconds, peak, {}, progress, passing=True)
    told = json.loads(file.read_text())
    ok = told["status"] == "ok"
    return Result(
        status=told["status"],
        reason=told.get("reason", ""),
        fit_seconds=told["fit_seconds"],
        fit_cpu_seconds=told["fit_cpu_seconds"],
        peak_memory_mb=told["peak_memory_mb"],
        report=told.get("report", {}),
        progress=progress,
        passing=bool(told.get("passing")),
        scorer=(folder / "scorer.safetensors").read_bytes() if ok else None,
        state=(folder / "state.safetensors").read_bytes() if ok else None,
    )
