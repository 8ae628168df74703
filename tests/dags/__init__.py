"""Python in a fresh process under the environment of an Airflow of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
CONFIG = """
runtime = "{runtime}"
[shop]
name = "corner"
[night]
retries = {retries}
retry_seconds = 0.01
fit_seconds = 120
[contenders.popularity]
family = "popularity"
[contenders.ease]
family = "ease"
[contenders.als]
family = "als"
"""


def environment(folder: Path, retries: int = 1) -> dict[str, str]:
    config = folder / "recsys.toml"
    config.write_text(CONFIG.format(runtime=folder, retries=retries))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "RECSYS_"))}
    return {
        **kept,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "RECSYS_CONFIG": str(config),
        "PYTHONPATH": str(ROOT),
        "FAKE_CALLS": str(folder / "calls.jsonl"),
        "OMP_NUM_THREADS": "1",
    }


def fresh(folder: Path, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code beside the DAG files, as Airflow would."""
    script = [sys.executable, "-c", f"import json, sys\nsys.path.insert(0, {str(DAGS)!r})\n{code}"]
    return subprocess.run(script, env=environment(folder) | env, capture_output=True, text=True, check=False)


def asked(folder: Path, code: str, **env: str) -> Any:
    """What the code printed last, as JSON."""
    done = fresh(folder, code, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
