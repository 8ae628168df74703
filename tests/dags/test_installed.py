"""A part of Airflow whose Python lacks the package: one sentence, whichever DAG file it reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "dags"
FILES = [file.stem for file in DAGS.glob("*.py") if "@dag" in file.read_text()]
CODE = """
import importlib.util, sys
there = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "recsys" else there(name, *more)
sys.modules["recsys"] = None  # whoever imports it fails
sys.path.insert(0, {dags!r})
import {name}
"""


@pytest.mark.parametrize("name", FILES)
def test_a_worker_without_the_package_is_told_so(name: str, tmp_path: Path) -> None:
    code = CODE.format(dags=str(DAGS), name=name)
    env = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: The package recsys is not installed in ")
    assert "docs/cluster.md" in last
