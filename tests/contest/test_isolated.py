"""A fit in a child: it always ends, always with a status, and nothing of it survives."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from recsys import arrays
from recsys.contest import isolated
from recsys.contest.isolated import Job, fit
from tests.worlds import dataset


def job(tmp_path: Path, family: str = "popularity", seconds: float = 60, memory_mb: int = 4000, **settings: Any) -> Job:
    file = tmp_path / "dataset"
    file.write_bytes(arrays.to_bytes(dataset([[0, 1], [1, 2, 3], [0, 4]], 5)))
    return Job(family, settings, str(file), 0, seconds, memory_mb)


def pretend(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A child that runs `code` in place of a fit; its folder is sys.argv[1]."""
    monkeypatch.setattr(isolated, "CHILD", (sys.executable, "-c", code))


def children() -> int:
    return len(psutil.Process().children(recursive=True))


def test_a_fit_comes_back_with_its_scorer_seconds_and_memory(tmp_path: Path) -> None:
    result = fit(job(tmp_path))
    assert (result.status, result.reason) == ("ok", "")
    assert result.scorer is not None
    assert result.state is not None
    assert 20 < result.peak_memory_mb < 600
    assert result.report["n_orders"] == 3


def test_progress_is_told_while_it_happens(tmp_path: Path) -> None:
    seen: list[Any] = []
    result = fit(job(tmp_path, "als", dimension=2, sweeps=3), seen.append)
    assert result.status == "ok", result.reason
    assert [line["step"] for line in seen] == [line["step"] for line in result.progress]
    assert len(seen) == 3


def test_a_family_that_fails_is_a_status_with_its_reason(tmp_path: Path) -> None:
    result = fit(Job("ease", {"regularisation": -1.0}, job(tmp_path).dataset, 0, 60, 4000))
    assert result.status == "failed"
    assert "regularisation" in result.reason
    assert not result.passing


@pytest.mark.timeout(60)
def test_a_child_that_hangs_in_native_code_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "GRACE_SECONDS", 0.5)
    pretend(monkeypatch, "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)")
    before, began = children(), time.monotonic()
    result = fit(job(tmp_path, seconds=0.5))
    assert time.monotonic() - began < 10
    assert (result.status, result.passing) == ("failed", True)
    assert "deadline of 0.5 s" in result.reason
    assert children() == before


def test_a_child_that_takes_too_much_memory_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "import time; x = bytearray(600 * 2**20); time.sleep(600)")
    result = fit(job(tmp_path, memory_mb=256))
    assert (result.status, result.passing) == ("failed", True)
    assert "limit of 256 MB" in result.reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os; os._exit(3)", "exit code 3"),
        ("pass", "no result"),
        (
            "import os, sys; print('corrupted size vs. prev_size\\n', file=sys.stderr, flush=True); os.abort()",
            "SIGABRT (out of memory, or somebody ended it). It said last: corrupted size vs. prev_size",
        ),
    ],
)
def test_a_child_that_dies_is_a_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    pretend(monkeypatch, code)
    result = fit(job(tmp_path))
    assert (result.status, result.passing) == ("failed", True)
    assert words in result.reason


def test_a_librarys_error_is_a_sentence_and_its_traceback_goes_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
import sys
from recsys.contest import child
def broken(family, settings):
    raise ValueError("the first line\\nand more")
child.catalog.build = broken
sys.exit(child.main(sys.argv[1]))
"""
    pretend(monkeypatch, code)
    result = fit(job(tmp_path))
    assert (result.status, result.passing) == ("failed", False)
    assert result.reason == "ValueError: the first line. The log has the traceback."
    assert "The fit of popularity failed" in caplog.text
    assert "in broken" in caplog.text
    assert "ValueError: the first line" in caplog.text


def test_an_error_without_words_is_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import sys
from recsys.contest import child
def broken(family, settings):
    raise AssertionError
child.catalog.build = broken
sys.exit(child.main(sys.argv[1]))
"""
    pretend(monkeypatch, code)
    assert fit(job(tmp_path)).reason == "AssertionError. The log has the traceback."


def test_grandchildren_go_with_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(
        monkeypatch, "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    )
    fit(job(tmp_path))
    time.sleep(0.2)
    sleepers = [
        p
        for p in psutil.process_iter(["cmdline"])
        if "time.sleep(600)" in " ".join(p.info["cmdline"] or [])
        and p.info["cmdline"][-1] == "import time; time.sleep(600)"
        and p.status() != psutil.STATUS_ZOMBIE
    ]
    assert not sleepers
