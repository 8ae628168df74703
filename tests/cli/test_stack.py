"""The commands around the local stack, without starting it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from recsys.cli import stack
from recsys.stack import control, demo, preflight
from recsys.stack.demo import Outcome
from recsys.stack.preflight import Finding

DECISION = {"champion": "ease", "reasons": ["ease beat the bar."], "leaderboard": []}


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "recsys.toml"
    file.write_text('runtime = "run"\n[shop]\nname = "corner"\n')
    return str(file)


def run(*command: str) -> tuple[int, str]:
    app = typer.Typer()
    stack.register(app)
    done = CliRunner().invoke(app, list(command))
    return done.exit_code, done.output


def test_down_when_nothing_runs(config: str) -> None:
    assert run("down", "--config", config) == (0, "Nothing was running.\n")


def test_a_second_demo_shows_the_last_result_and_starts_nothing(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Outcome("2011-12-08", DECISION, "gen-000003", "")
    monkeypatch.setattr(demo, "last", lambda settings: known)
    monkeypatch.setattr(control, "up", lambda *inputs, **more: pytest.fail("it started the stack"))
    status, text = run("demo", "--config", config)
    assert status == 0
    assert "ease beat the bar." in text
    assert "gen-000003" in text
    assert "recsys demo --again" in text
    assert "not running: recsys up" in text


def test_preflight_says_what_is_missing_and_fails(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("python", True, "Python 3.11"), Finding("disk", False, "0 GB free", blocks=True)]
    monkeypatch.setattr(preflight, "look", lambda folder, torch: found)
    assert run("preflight", "--config", config) == (1, "ok    Python 3.11\nMISSING  0 GB free\n")


def test_a_full_disk_stops_the_demo_before_anything_starts(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "look", lambda folder, **more: [Finding("disk", False, "0 GB free", blocks=True)])
    monkeypatch.setattr(control, "up", lambda *inputs, **more: pytest.fail("it started the stack"))
    status, _ = run("demo", "--config", config)
    assert status == 1
