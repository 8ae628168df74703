"""The first thing a DAG file imports: a worker without the package gets one sentence instead of a riddle."""

from __future__ import annotations

import sys
from importlib.util import find_spec

if find_spec("recsys") is None:
    raise ModuleNotFoundError(
        f"The package recsys is not installed in {sys.executable}, with which this part of Airflow runs. "
        "Install it there (pip install -c constraints.txt '.[distributed]') or use our image: docs/cluster.md."
    )
