from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys.cli import build
from recsys.cli.ingest import visible
from recsys.errors import DataError, UsageError
from tests.data.order_files import body, line, text

SETTINGS = """
[shop]
timezone = "Europe/Berlin"
[orders]
path = "orders*.csv"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "recsys.toml").write_text(SETTINGS)
    (tmp_path / "orders1.csv").write_text(text([*body(), line(99, quantity="0", title="\x1b[31mred")]))
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(), arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_ingest_says_what_came_in_and_a_second_time_that_it_is_known(shop: Path) -> None:
    code, out = run("ingest", "--config", str(shop / "recsys.toml"), "--json", str(shop / "report.json"))
    assert code == 0
    assert "61 rows = 60 accepted + 1 quarantined" in out
    assert "quarantined 1 qty" in out
    assert json.loads((shop / "report.json").read_text())["files"][0]["quarantined"] == {"qty": 1}
    assert "skipped" in run("ingest", "--config", str(shop / "recsys.toml"))[1]


def test_a_refused_file_makes_the_command_fail_after_the_others_went_in(shop: Path) -> None:
    (shop / "orders0.csv").write_text("nothing\n1\n")
    code, out = run("ingest", "--config", str(shop / "recsys.toml"))
    assert code == 2
    assert "orders0.csv" in out
    assert "60 accepted" in out


def test_check_without_a_file_looks_at_those_of_the_configuration(shop: Path) -> None:
    code, out = run("check", "--config", str(shop / "recsys.toml"))
    assert code == 0
    assert "orders1.csv: 61 rows" in out
    with pytest.raises(UsageError, match=r"\[products\] without path"):
        run("check", "--table", "products", "--config", str(shop / "recsys.toml"))


def test_check_teaches_and_writes_nothing(shop: Path) -> None:
    before = sorted(p.name for p in shop.iterdir())
    code, out = run("check", str(shop / "orders1.csv"), "--config", str(shop / "recsys.toml"))
    assert code == 0
    assert "qty: The quantity is not a number" in out
    assert "line 62:" in out
    assert "\x1b" not in out
    assert sorted(p.name for p in shop.iterdir()) == before


def test_check_needs_no_settings(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.parent)
    monkeypatch.delenv("RECSYS_CONFIG", raising=False)
    assert run("check", str(shop / "orders1.csv"))[0] == 0
    (shop / "renamed.csv").write_text(text(body()).replace("order,", "OrderNo,", 1))
    with pytest.raises(DataError, match="order = 'OrderNo'"):
        run("check", str(shop / "renamed.csv"))


def test_visible_escapes_what_a_terminal_would_obey() -> None:
    assert visible("a\x1b[31m\u202eé") == r"a\x1b[31m\u202eé"
