"""A search of settings as MLflow runs: one per contender, a step per trial, the best settings as its parameters."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from recsys.config import Settings
from recsys.errors import RecsysError
from recsys.tracking.connect import Book, address, open_book, within

LONGEST = 60.0  # seconds
TEXT = 500  # characters of a parameter
log = logging.getLogger(__name__)


def log_searches(settings: Settings, searches: Sequence[Mapping[str, Any]], about: str) -> str:
    """A run per search (JSON of `contest.tune.Tuned` and its `fragment`); what was done, in words. Never raises."""

    def write() -> str:
        book = open_book(settings)
        for search in searches:
            _log(book, search, about)
        return f"{len(searches)} searches are in MLflow ({address(settings)})."

    try:
        return within(LONGEST, write)
    except Exception as error:  # whatever MLflow or the network raises: the settings were written all the same
        why = str(error) if isinstance(error, RecsysError) else f"{type(error).__name__}: {error}"
        log.warning("MLflow: %s", why)
        return f"MLflow ({address(settings)}) was not reached; the settings are above. {why[:300]}"


def _log(book: Book, search: Mapping[str, Any], about: str) -> None:
    from mlflow.entities import Metric, Param

    name, metric, now = str(search["name"]), str(search["metric"]), int(time.time() * 1000)
    tags = {
        "kind": "tuning",
        "contender": name,
        "family": str(search["family"]),
        "data": about,
        "mlflow.source.name": "recsys",
        "mlflow.note.content": f"```toml\n{search['fragment']}```",
    }
    run = str(book.client.create_run(book.experiment, tags=tags, run_name=f"tune {name}").info.run_id)
    steps = [
        Metric(f"validation/{metric}", t["value"], now, t["number"]) for t in search["trials"] if t["value"] is not None
    ]
    whole = {f"best/{metric}": search["value"], f"before/{metric}": search["before"], "trials": len(search["trials"])}
    steps += [Metric(key, float(value), now, 0) for key, value in whole.items() if value is not None]
    params = {"family": search["family"], "seed": search["seed"], **search["settings"]}
    book.client.log_batch(run, metrics=steps[:900], params=[Param(k, str(v)[:TEXT]) for k, v in params.items()])
    book.client.log_dict(run, {"trials": list(search["trials"])}, "trials.json")
    book.client.log_text(run, str(search["fragment"]), "best.toml")
    book.client.set_terminated(run)
