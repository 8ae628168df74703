"""`recsys report`: where the newest page is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys.cli import build
from recsys.errors import UsageError


def run(config: Path, *arguments: str):
    return CliRunner().invoke(build(), ["report", "--config", str(config), *arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "recsys.toml"
    file.write_text('runtime = "runtime"\n')
    return file


def write(config: Path, *names: str) -> Path:
    folder = config.parent / "runtime" / "reports"
    for at, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
        os.utime(file, (1_700_000_000 + at, 1_700_000_000 + at))
    return folder


def test_the_newest_night_is_printed(config: Path) -> None:
    folder = write(config, "2024-03-02-b.html", "2024-03-02-a.html", "2024-03-01-c.html", "latest.html")
    found = run(config)
    assert found.exit_code == 0, found.output
    assert found.output.strip() == str(folder / "2024-03-02-a.html")  # of one day the one written last


def test_a_sellers_page_is_found_by_its_name(config: Path) -> None:
    folder = write(config, "2024-03-02-a.html", "2024-03-02-a/anna-7c4bc0d2.html", "2024-03-02-a/anna-00000000.html")
    import zlib

    mine = folder / "2024-03-02-a" / f"anna-{zlib.crc32(b'anna'):08x}.html"
    mine.write_text("x")
    assert run(config, "--seller", "anna").output.strip() == str(mine)
    missing = run(config, "--seller", "bert")
    assert isinstance(missing.exception, UsageError)
    assert "'bert' has no page" in str(missing.exception)


def test_before_the_first_night_it_says_what_to_do(config: Path) -> None:
    found = run(config)
    assert isinstance(found.exception, UsageError)
    assert "Run a night first" in str(found.exception)


def test_a_browser_is_asked_only_when_wanted(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    folder = write(config, "2024-03-02-a.html")
    run(config)
    assert not opened
    found = run(config, "--open")
    assert opened == [(folder / "2024-03-02-a.html").as_uri()]
    assert "No browser could be started" in found.output
