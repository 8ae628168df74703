"""The published generation as a version of a registered model: plain arrays and one file of code, no pickle."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.tracking.card import described, model_card
from recsys.tracking.connect import Book
from recsys.tracking.runs import Json, config_digest

FORM = Path(__file__).parents[1] / "serving_model.py"
ARRAYS = "champion.safetensors"  # of the generation: the scorer itself, kept beside the lists


def model_name(settings: Settings) -> str:
    return f"recsys-{settings.shop.name}"


def register_champion(
    book: Book, settings: Settings, lake: Lake, generation: str, told: Json, record: Json, run: str
) -> str:
    """The version of a generation, made once; returns its number. record: the champion's backtest."""
    name = model_name(settings)
    known = _version_of(book, name, generation)
    if known:
        return known
    entry = next(entry for entry in publication.entries(lake) if entry.name == generation)
    card = model_card(settings, told["night"], record, told["decision"], entry.manifest)
    return _register(book, name, lake, entry, _tags(entry, told["night"], told["decision"]), card, run)


def point_challenger(book: Book, settings: Settings, decision: Json) -> str | None:
    """Let the alias `challenger` name the newest version of the contender that came next in the night's leaderboard.

    A contender has versions only of nights it was champion of: without one the alias is taken away.
    """
    name, champion = model_name(settings), decision.get("champion")
    others = [row["name"] for row in decision.get("leaderboard", ()) if row["status"] == "ok"]
    second = next((other for other in others if other != champion), None)
    found = [v for v in book.client.search_model_versions(f"name = '{name}'") if v.tags.get("contender") == second]
    if found:
        newest = str(max(int(v.version) for v in found))
        book.client.set_registered_model_alias(name, "challenger", newest)
        return newest
    if "challenger" in dict(book.client.get_registered_model(name).aliases or {}):
        book.client.delete_registered_model_alias(name, "challenger")
    return None


def point(book: Book, settings: Settings, lake: Lake) -> str | None:
    """Let the alias `champion` name the version of the generation being served; `previous` is where it stood before.

    Follows a rollback too. Returns the version, None when the served generation has none.
    """
    name = model_name(settings)
    wanted = _version_of(book, name, publication.current(lake).name)
    if wanted is None:
        return None
    standing = dict(book.client.get_registered_model(name).aliases or {}).get("champion")
    if str(standing) != wanted:
        if standing is not None:
            book.client.set_registered_model_alias(name, "previous", str(standing))
        book.client.set_registered_model_alias(name, "champion", wanted)
    return wanted


def lists_of(lake: Lake, entry: publication.Entry) -> dict[str, Any]:
    """owners text[n] sorted, products text[m] sorted, places int32[n, k] rows of products padded with -1."""
    import polars as pl

    table = publication.read_table(lake, entry, "lists.parquet")
    home = table.filter(pl.col("arm") == "champion")
    owners, row = np.unique(home["customer"].to_numpy().astype(str), return_inverse=True)
    products, product = np.unique(home["product"].to_numpy().astype(str), return_inverse=True)
    places = np.full((len(owners), int(home["rank"].max() or 1)), -1, dtype=np.int32)  # type: ignore[arg-type]
    places[row, home["rank"].to_numpy() - 1] = product
    return {"owners": owners, "products": products, "places": places}


def _version_of(book: Book, name: str, generation: str) -> str | None:
    found = book.client.search_model_versions(f"name = '{name}'")
    return next((str(v.version) for v in found if v.tags.get("generation") == generation), None)


def _register(
    book: Book, name: str, lake: Lake, entry: publication.Entry, tags: dict[str, str], card: str, run: str
) -> str:
    import mlflow

    with tempfile.TemporaryDirectory(prefix="recsys-model-") as folder, _active(book, run):
        lists = lists_of(lake, entry)
        logged = mlflow.pyfunc.log_model(
            name=str(entry.manifest["champion"]),
            python_model=str(FORM),
            artifacts=_write(Path(folder), lists, publication.read_file(lake, entry, ARRAYS)),
            input_example=_example(lists),
            pip_requirements=[f"mlflow=={version('mlflow')}", f"numpy=={version('numpy')}"],
            tags=tags,
        )
        book.client.log_text(run, card, "card.md")
        with contextlib.suppress(mlflow.exceptions.MlflowException):
            book.client.create_registered_model(name, description=f"What {name} serves: one version per generation.")
        made = book.client.create_model_version(
            name,
            logged.model_uri,
            run_id=run,
            tags=tags,
            model_id=logged.model_id,
            description=described(card),
        )
    return str(made.version)


def _write(folder: Path, lists: Mapping[str, Any], scorer: bytes) -> dict[str, str]:
    """The files the serving form opens, by the name it knows them under."""
    np.savez_compressed(folder / "lists.npz", **lists)
    (folder / ARRAYS).write_bytes(scorer)
    return {"lists": str(folder / "lists.npz"), "scorer": str(folder / ARRAYS)}


def _example(lists: Mapping[str, Any]) -> list[str]:
    """Two customers with lists of their own and one nobody knows."""
    customers = [str(owner) for owner in lists["owners"] if ":" not in owner and owner != "default"]
    return [*customers[:2], "somebody new"]


def _tags(entry: publication.Entry, night: Json, decision: Json) -> dict[str, str]:
    files: Mapping[str, Any] = entry.manifest["files"]
    return {
        "generation": entry.name,
        "contender": str(entry.manifest["champion"]),
        "night": str(entry.manifest["as_of"]),
        "night_key": str(night["key"]),
        "decision": str(decision.get("action")),
        "previous": str(decision.get("previous")),
        "reasons": " ".join(decision.get("reasons", ()))[:5000],
        "scorer_sha256": str(files[ARRAYS]["sha256"]),
        "lists_sha256": str(files["lists.parquet"]["sha256"]),
        "dataset_digest": str(night["digest"]),
        "config_digest": config_digest(decision),
    }


@contextlib.contextmanager
def _active(book: Book, run: str) -> Iterator[None]:
    """MLflow's log_model knows only the run and the address that are set for the whole process."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(book.uri)
    try:
        with mlflow.start_run(run_id=run):
            yield
    finally:
        mlflow.set_tracking_uri(before)
