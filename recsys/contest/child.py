"""The spawned child in which one estimator is fitted: `python -m recsys.contest.child JOB`.

It reads its job from a folder, fits, and leaves scorer, state and result there. Native code that hangs, leaks or
crashes takes only this process with it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from recsys import arrays
from recsys.contest.plain import plain
from recsys.contract import Dataset, Estimator, Fitted, Run, Scorer, Split, State
from recsys.errors import FitError, RecsysError, RefusedError
from recsys.models import catalog
from recsys.scorers.store import load_scorer, scorer_bytes


@dataclass(frozen=True)
class Packed:
    """Named arrays, for a state."""

    arrays: dict[str, Any]


def main(folder: str) -> int:
    """Run the job in `folder`; always leaves result.json. Exit code 0 whatever the status."""
    job = json.loads((Path(folder) / "job.json").read_text())
    began, cpu = time.perf_counter(), time.process_time()
    try:
        result = _fit(Path(folder), job)
    except RefusedError as error:
        result = {"status": "refused", "reason": str(error), "report": plain(error.report)}
    except RecsysError as error:
        result = {"status": "failed", "reason": str(error)}
    except MemoryError:
        result = {"status": "failed", "reason": "The fit ran out of memory.", "passing": True}
    except Exception as error:  # a library's own error: its kind and words, never its traceback
        _leave_traceback(Path(folder))
        said = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        result = {"status": "failed", "reason": f"{said}. The log has the traceback."}
    result |= {
        "fit_seconds": result.get("fit_seconds", time.perf_counter() - began),
        "fit_cpu_seconds": result.get("fit_cpu_seconds", time.process_time() - cpu),
        "peak_memory_mb": peak_memory_mb(),
    }
    (Path(folder) / "result.json").write_text(json.dumps(result))
    return 0


def _fit(folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    data = arrays.from_bytes(Dataset, Path(job["dataset"]).read_bytes())
    estimator = catalog.build(job["family"], job["settings"])
    with (folder / "progress.jsonl").open("w", buffering=1) as progress:
        run = _run(job, progress)
        began, cpu = time.perf_counter(), time.process_time()
        fitted = _checked(estimator, estimator.fit(data, run))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    (folder / "scorer.safetensors").write_bytes(scorer_bytes(fitted.scorer))
    (folder / "state.safetensors").write_bytes(arrays.to_bytes(Packed(dict(fitted.state))))
    report = plain(dict(fitted.report))
    return {"status": "ok", "report": report, "fit_seconds": seconds, "fit_cpu_seconds": cpu_seconds}


def _run(job: Mapping[str, Any], progress: TextIO) -> Run:
    def log(step: int, **numbers: float) -> None:
        progress.write(json.dumps({"step": step, **plain(numbers)}) + "\n")

    parts: dict[str, Scorer] = {n: load_scorer(Path(p).read_bytes()) for n, p in job.get("parts", {}).items()}
    validation = job.get("validation")
    return Run(
        seed=job["seed"],
        deadline=time.monotonic() + job["seconds"],
        log=log,
        start=read_state(job["start"]) if job.get("start") else None,
        parts=parts or None,
        validation=arrays.from_bytes(Split, Path(validation).read_bytes()) if validation else None,
    )


def read_state(file: str) -> State:
    """Arrays of a stored state."""
    return arrays.from_bytes(Packed, Path(file).read_bytes()).arrays


def _checked(estimator: Estimator, fitted: Fitted) -> Fitted:
    """A scorer with infinities anywhere is a failed fit (NaN may stand for `no opinion`, so it is judged later)."""
    _, packed = arrays.pack(fitted.scorer)
    broken = [name for name, a in packed.items() if a.dtype.kind == "f" and np.isinf(a).any()]
    if broken:
        raise FitError(estimator.family, got=f"infinite numbers in {', '.join(sorted(broken)[:3])}", wanted="finite")
    return fitted


def peak_memory_mb() -> float:
    """This process's own high-water mark; the parent's would leak into ru_maxrss across fork and exec."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux
        held = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if held:
            return int(held[0]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _leave_traceback(folder: Path) -> None:
    import traceback

    (folder / "traceback.txt").write_text(traceback.format_exc())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
