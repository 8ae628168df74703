"""Start servers in sessions of their own, remember them on disk, and end every process that came of them.

A record is kept per server: pid and start time, so that a reused pid is never mistaken for ours. After a crash the
children live on without it; they are found by the three marks they inherit: the session, the environment and the
working folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from recsys.errors import ServiceError

MARK = "RECSYS_STACK"  # environment variable every process of a stack inherits: the runtime folder
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass(frozen=True)
class Server:
    """A command to run as a server; `folder` is where it runs, `log` where it writes."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path


@dataclass(frozen=True)
class Record:
    """A started server: created is its start time in epoch seconds as the system tells it."""

    name: str
    pid: int
    created: float


def start(server: Server, records: Path) -> Record:
    """Run the server in a new session and write its record; raises ServiceError when it cannot be run."""
    for folder in (server.folder, server.log.parent, records):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with server.log.open("ab") as log:
            process = subprocess.Popen(
                server.command,
                cwd=server.folder,
                env={**server.environment, MARK: str(records.parent)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise ServiceError(f"{server.name} cannot be started", got=error, cure="Run `make demo` again.") from error
    record = Record(server.name, process.pid, psutil.Process(process.pid).create_time())
    (records / f"{server.name}.json").write_text(json.dumps(asdict(record)))
    return record


def recorded(records: Path) -> list[Record]:
    """Servers that were started and not yet stopped, alive or not."""
    found = []
    for file in sorted(records.glob("*.json")):
        with contextlib.suppress(ValueError, TypeError, OSError):
            found.append(Record(**json.loads(file.read_text())))
    return found


def alive(record: Record) -> bool:
    """Is this very process still running?"""
    try:
        process = psutil.Process(record.pid)
        return _same(process, record) and process.status() != psutil.STATUS_ZOMBIE
    except GONE:
        return False


def stop(records: Path, patience: float = 12.0) -> int:
    """End every process of the stack: ask, wait, then kill. Returns how many there were; safe to repeat."""
    known, ended = recorded(records), 0
    for attempt in (signal.SIGTERM, signal.SIGKILL):
        members = belonging(records.parent, known)
        if not members:
            break
        ended = max(ended, len(members))
        for process in members:
            with contextlib.suppress(*GONE):
                process.send_signal(attempt)
        psutil.wait_procs(members, timeout=patience if attempt != signal.SIGKILL else 5.0)
    left = belonging(records.parent, known)
    if left:
        raise ServiceError("Some processes could not be ended", got=[p.pid for p in left], cure="Run it as their user.")
    for file in records.glob("*.json"):
        file.unlink(missing_ok=True)
    return ended


def belonging(runtime: Path, known: Iterable[Record]) -> list[psutil.Process]:
    """Every process of the stack but this one and its ancestors, orphans included."""
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    sessions = {record.pid for record in known if _owns_its_session(record)}
    return [p for p in psutil.process_iter() if p.pid not in spared and _is_ours(p, str(runtime), sessions)]


def _is_ours(process: psutil.Process, runtime: str, sessions: set[int]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(MARK) == runtime:
            return True
        # Airflow renames its workers, which wipes their environment
        return os.getsid(process.pid) in sessions and process.cwd().startswith(runtime)
    except (*GONE, ProcessLookupError, PermissionError, OSError):
        return False


def _owns_its_session(record: Record) -> bool:
    """Is the session numbered after this record's pid ours? Not if another process has the pid, nor after a reboot."""
    if record.created < psutil.boot_time() - 1:
        return False
    try:
        return _same(psutil.Process(record.pid), record)
    except psutil.NoSuchProcess:
        return True  # the system does not give a number away while it names a living session
    except psutil.AccessDenied:
        return False


def _same(process: psutil.Process, record: Record) -> bool:
    return abs(process.create_time() - record.created) < 1.0


def memory_mb(runtime: Path, records: Path) -> float:
    """Proportional set size of the whole stack, MB: shared pages are counted once."""
    total = 0.0
    for process in belonging(runtime, recorded(records)):
        with contextlib.suppress(*GONE, AttributeError):
            total += process.memory_full_info().pss / 2**20
    return total


def tail(log: Path, lines: int = 5) -> Sequence[str]:
    """The last lines of a log, for a person."""
    try:
        return log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []
