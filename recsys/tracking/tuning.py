"""A search of settings as MLflow runs: one per contender, a step per trial, the best settings as its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.config import Settings
from recsys.tracking.connect import Book, address, not_reached, open_book, within
from recsys.tracking.runs import log_numbers

LONGEST = 60.0  # seconds


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
        return not_reached(settings, error, "the settings are above")


def _log(book: Book, search: Mapping[str, Any], about: str) -> None:
    name, metric = str(search["name"]), str(search["metric"])
    tags = {
        "kind": "tuning",
        "contender": name,
        "family": str(search["family"]),
        "data": about,
        "mlflow.source.name": "recsys",
        "mlflow.note.content": f"```toml\n{search['fragment']}```",
    }
    run = str(book.client.create_run(book.experiment, tags=tags, run_name=f"tune {name}").info.run_id)
    whole = {f"best/{metric}": search["value"], f"before/{metric}": search["before"], "trials": len(search["trials"])}
    numbers = [(key, value, 0) for key, value in whole.items() if value is not None]
    numbers += [(f"validation/{metric}", t["value"], t["number"]) for t in search["trials"] if t["value"] is not None]
    log_numbers(book, run, numbers, {"family": search["family"], "seed": search["seed"], **search["settings"]})
    book.client.log_dict(run, {"trials": list(search["trials"])}, "trials.json")
    book.client.log_text(run, str(search["fragment"]), "best.toml")
    book.client.set_terminated(run)
