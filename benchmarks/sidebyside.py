"""Time several ways of doing the same work in one run: interleaved, one warm-up, medians, ratios, goals met or not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-bench-rectools" / "bin" / "python"


@dataclass(frozen=True)
class Timing:
    """Seconds of one repeat."""

    wall: float
    cpu: float  # user + system of the process, all threads


@dataclass(frozen=True)
class Goal:
    """`ours` takes at most `most` times the fastest of `peers`, by wall time."""

    text: str
    ours: str
    peers: tuple[str, ...]
    most: float


Case = Callable[[], Timing]


def pin_blas() -> None:
    """Start this process again with one BLAS thread: threads are dealt out per block or per call, never twice."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if any(os.environ.get(name) != value for name, value in one.items()):
        os.execve(sys.executable, sys.orig_argv, os.environ | one)


def timed(work: Callable[[], Any]) -> Case:
    """A case that runs here."""

    def case() -> Timing:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return Timing(time.perf_counter() - wall, time.process_time() - cpu)

    return case


class Peer:
    """A script in the peers' environment that loads the same arrays and runs a named case when told to."""

    def __init__(self, script: str, *arguments: object) -> None:
        command = [str(PEERS), str(ROOT / "benchmarks" / script), *map(str, arguments)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def ask(self, name: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{name}: the peers' process ended; run its script in benchmarks/ by hand to see why")
        found: dict[str, Any] = json.loads(answer)
        return found

    def case(self, name: str) -> Case:
        def run() -> Timing:
            answer = self.ask(name)
            return Timing(answer["wall"], answer["cpu"])

        return run

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)


def measure(cases: Mapping[str, Case], repeats: int) -> dict[str, list[Timing]]:
    """One warm-up of every case, then `repeats` rounds of all of them in turn."""
    for case in cases.values():
        case()
    rounds = [{name: case() for name, case in cases.items()} for _ in range(repeats)]
    return {name: [turn[name] for turn in rounds] for name in cases}


def ratio(found: Mapping[str, list[Timing]], goal: Goal) -> tuple[str, float, float]:
    """The peer fastest by wall time, and our wall and CPU time over its own: medians over rounds of the same round."""
    fastest = min(goal.peers, key=lambda name: _median(found[name], "wall"))
    pairs = list(zip(found[goal.ours], found[fastest], strict=True))
    wall = float(np.median([ours.wall / theirs.wall for ours, theirs in pairs]))
    return fastest, wall, float(np.median([ours.cpu / theirs.cpu for ours, theirs in pairs]))


def report(title: str, found: Mapping[str, list[Timing]], goals: Sequence[Goal]) -> dict[str, Any]:
    """Print the table and the goals; return them as JSON."""
    print(f"\n{title}\n{'':<44}{'wall s':>9}{'CPU s':>9}")
    medians = {name: (_median(turns, "wall"), _median(turns, "cpu")) for name, turns in found.items()}
    for name, (wall, cpu) in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{name:<44}{wall:>9.3f}{cpu:>9.3f}")
    rows = []
    for goal in goals:
        fastest, wall, cpu = ratio(found, goal)
        met = wall <= goal.most
        rows.append({"goal": goal.text, "peer": fastest, "most": goal.most, "wall": wall, "cpu": cpu, "met": met})
        verdict = "met    " if met else "NOT met"
        print(f"{verdict} {goal.text}: {wall:.2f} x {fastest} by wall, {cpu:.2f} x by CPU; goal {goal.most}")
    return {"title": title, "seconds": medians, "goals": rows, "machine": machine()}


def machine() -> str:
    """What these figures were measured on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch", "implicit"))
    return f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}, {packages}, load {load}"


def _median(turns: Sequence[Timing], name: str) -> float:
    return float(np.median([getattr(turn, name) for turn in turns]))
