"""A backfill of a range of days: every night as of its own day, nothing that is current moves, nobody is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.data.runs import note_of
from recsys.night import run_night
from tests.dags import ROOT, environment
from tests.test_steps import LAST_FULL, lake_of, shop

DAYS = ("2024-03-18T02:00:00+00:00", "2024-03-19T02:00:00+00:00")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_backfill_changes_nothing_that_is_current(tmp_path: Path) -> None:
    params = shop(tmp_path)
    now = run_night({**params, "contenders": ["popularity_28d", "buy_again"]})
    assert now["publication"]["as_of"] == LAST_FULL
    lake = lake_of(tmp_path)
    standing = {path: lake.read(path) for path in ["CURRENT", *lake.paths("generations"), *lake.paths("mirror")]}
    newest = (tmp_path / "runtime" / "reports" / "latest.html").read_text()

    (tmp_path / "airflow").mkdir()
    env = environment(tmp_path / "airflow") | {
        "RECSYS_CONFIG": params["config"],
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
    }
    for command in (["db", "migrate"], ["pools", "set", "training", "2", "fits at once"]):
        subprocess.run([sys.executable, "-m", "airflow", *command], env=env, check=True, capture_output=True)
    script = [sys.executable, str(Path(__file__).parent / "backfill.py"), *DAYS]
    done = subprocess.run(script, env=env, capture_output=True, text=True, check=False)
    ends = [line for line in done.stdout.splitlines() if line.startswith("END ")]
    assert ends, done.stdout[-3000:] + done.stderr[-3000:]
    for end in json.loads(ends[-1][4:]):
        assert end["state"] == "success"
        assert end["tasks"].pop("announce") == "skipped"
        assert set(end["tasks"].values()) == {"success"}

    assert {path: lake.read(path) for path in standing} == standing
    assert {*lake.paths("generations"), *lake.paths("mirror")} == set(standing) - {"CURRENT"}
    assert (tmp_path / "runtime" / "reports" / "latest.html").read_text() == newest
    notes = [
        note_of(lake, path.split("/")[1].removesuffix(".json").replace("%3A", ":").replace("%2B", "+"))
        for path in lake.paths("runs")
    ]
    assert {note["as_of"] for note in notes if note} == {LAST_FULL, "2024-03-17", "2024-03-18"}
