"""What is missing on a machine, a sentence each, without any library."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from recsys.stack import preflight

ROOT = Path(__file__).parents[2]


def test_it_runs_on_a_bare_python(tmp_path: Path) -> None:
    """-I -S: no site-packages, as before the installation."""
    code = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT)!r})
runpy.run_module("recsys.stack.preflight", run_name="__main__", alter_sys=True)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == int("Missing:" in done.stderr), done.stderr


def test_a_full_disk_blocks_and_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * 2**30))
    finding = preflight.disk(tmp_path / "not" / "there", 4)
    assert finding.blocks
    assert finding.sentence == f"2 GB free on {tmp_path}, 4 GB are needed: free some."


def test_no_compiler_blocks_an_installation_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    assert "apt install build-essential" in next(f.sentence for f in preflight.look(tmp_path, "cpu") if f.blocks)
    assert not any(f.what == "compiler" for f in preflight.look(tmp_path))


@pytest.mark.parametrize(("version", "ok"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_pythons(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], ok: bool) -> None:
    monkeypatch.setattr(preflight.sys, "version_info", version)
    assert preflight.python().ok == ok


def test_windows_is_sent_to_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.platform, "system", lambda: "Windows")
    assert preflight.system().blocks
    assert "WSL" in preflight.system().sentence


def test_little_memory_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_available_gb", lambda: 1.5)
    assert (preflight.memory().ok, preflight.memory().blocks) == (False, False)


def test_a_taken_port_is_told_and_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        finding = preflight.port("airflow", number)
        assert (finding.ok, finding.blocks) == (False, False)
        assert str(number) in finding.sentence
        assert preflight.free_port(number) > number


def test_two_servers_do_not_get_one_port() -> None:
    first = preflight.free_port(18_000)
    assert preflight.free_port(first, (first,)) > first


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SSH_CONNECTION": "10.0.0.9 5022 10.0.0.5 22"}, "-L 8081:127.0.0.1:8081 -L 5001:127.0.0.1:5001 10.0.0.5`"),
        ({}, "No browser here: run `ssh"),
        ({"DISPLAY": ":0"}, ""),
    ],
)
def test_where_no_browser_is_it_says_how_to_reach_the_pages(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(preflight.platform, "system", lambda: "Linux")
    told = preflight.forwarding({"airflow": 8081, "mlflow": 5001}, environ)
    assert said in told
    assert bool(told) == bool(said)
