"""Starting servers, and finding every process that came of them after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from recsys.errors import ServiceError
from recsys.stack import processes
from recsys.stack.processes import Record, Server
from tests.stack.native import wait_for

SLEEP = "import time; time.sleep(60)"
# A server with three children: a plain one, one with a wiped environment, one in a session of its own.
PARENT = f"""
import os, subprocess, sys, time
code = {SLEEP!r}
subprocess.Popen([sys.executable, "-c", code])
subprocess.Popen([sys.executable, "-c", code], env={{}})
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
open("ready", "w").close()
time.sleep(60)
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Path]:
    folder = (tmp_path / "runtime").resolve()
    yield folder
    processes.stop(folder / "servers", patience=2)


def started(runtime: Path, code: str, name: str = "server") -> Record:
    server = Server(name, (sys.executable, "-c", code), dict(os.environ), runtime, runtime / "logs" / f"{name}.log")
    return processes.start(server, runtime / "servers")


def test_a_server_runs_is_remembered_and_ends(runtime: Path) -> None:
    record = started(runtime, "print('hello', flush=True); " + SLEEP)
    assert processes.alive(record)
    assert processes.recorded(runtime / "servers") == [record]
    wait_for(lambda: processes.tail(runtime / "logs" / "server.log") == ["hello"], 10)
    assert os.getsid(record.pid) == record.pid
    assert processes.stop(runtime / "servers", patience=5) == 1
    assert not processes.alive(record)
    assert processes.recorded(runtime / "servers") == []


def test_after_a_crash_every_orphan_is_found(runtime: Path) -> None:
    record = started(runtime, PARENT)
    wait_for((runtime / "ready").exists, 10)
    os.kill(record.pid, signal.SIGKILL)
    os.waitpid(record.pid, 0)
    left = processes.belonging(runtime, processes.recorded(runtime / "servers"))
    assert len(left) == 3
    assert processes.stop(runtime / "servers", patience=5) == 3
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in left)


def test_a_process_that_ignores_the_request_is_killed(runtime: Path) -> None:
    record = started(
        runtime, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('ready','w'); " + SLEEP
    )
    wait_for((runtime / "ready").exists, 10)
    processes.stop(runtime / "servers", patience=0.5)
    assert not processes.alive(record)


def test_other_processes_are_left_alone(runtime: Path, tmp_path: Path) -> None:
    """A stack with another runtime folder, and a stranger that was given a pid we once had."""
    other = subprocess.Popen([sys.executable, "-c", SLEEP], env={**os.environ, processes.MARK: str(tmp_path / "other")})
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True, cwd=tmp_path)
    try:
        record = started(runtime, SLEEP)
        reused = Record("old", stranger.pid, psutil.Process(stranger.pid).create_time() - 100)
        assert not processes.alive(reused)
        found = processes.belonging(runtime, [record, reused])
        assert [p.pid for p in found] == [record.pid]
    finally:
        other.kill()
        stranger.kill()
        other.wait()
        stranger.wait()


def test_records_from_before_a_reboot_name_no_session(runtime: Path) -> None:
    record = started(runtime, SLEEP)
    old = replace(record, created=psutil.boot_time() - 1000)
    assert not processes._owns_its_session(old)
    assert processes._owns_its_session(record)


def test_stopping_nothing_is_fine(runtime: Path) -> None:
    assert processes.stop(runtime / "servers") == 0


def test_a_damaged_record_is_passed_over(runtime: Path) -> None:
    (runtime / "servers").mkdir(parents=True)
    (runtime / "servers" / "half.json").write_text('{"name": "x"')
    assert processes.recorded(runtime / "servers") == []


def test_a_command_that_is_not_there(runtime: Path) -> None:
    server = Server("ghost", ("/no/such/program",), {}, runtime, runtime / "logs" / "ghost.log")
    with pytest.raises(ServiceError, match="ghost cannot be started"):
        processes.start(server, runtime / "servers")


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set size is Linux's")
def test_memory_counts_the_whole_stack(runtime: Path) -> None:
    started(runtime, "x = bytearray(50_000_000); open('ready','w'); " + SLEEP)
    wait_for((runtime / "ready").exists, 10)
    assert 45 < processes.memory_mb(runtime, runtime / "servers") < 200
