"""Do MLflow's versions and aliases say what the sequence of generations says? The generations are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.errors import ServiceError
from recsys.tracking.champion import ARRAYS, model_name, point
from recsys.tracking.connect import Book, open_book


def reconcile(settings: Settings, lake: Lake, fix: bool = False) -> tuple[list[str], str]:
    """(what does not agree, in sentences; a note where MLflow could not be asked). `fix` sets the aliases right.

    Nothing of MLflow is ever believed: a version that is not there is written by the next night's registration.
    """
    history = {entry.name: entry for entry in publication.entries(lake)}
    if not history:
        return [], ""
    try:
        book = open_book(settings)
        versions = list(book.client.search_model_versions(f"name = '{model_name(settings)}'"))
        if not versions:
            return [], "MLflow has no version of this shop's champion yet."
        found = [*_strangers(versions, history), *_alias(book, settings, lake, versions, history)]
        if fix and any("alias" in sentence for sentence in found):
            point(book, settings, lake)
            left = [*_alias(book, settings, lake, versions, history)]
            found = [s if s in left or "alias" not in s else f"{s} Mended." for s in found]
    except ServiceError as error:
        return [], f"MLflow was not asked: {error}"
    return found, ""


def _strangers(versions: list[Any], history: Mapping[str, publication.Entry]) -> Iterator[str]:
    """Versions of generations that do not exist, or of other files than the generation's."""
    for version in sorted(versions, key=lambda v: int(v.version)):
        entry = history.get(str(version.tags.get("generation")))
        if entry is None:
            yield f"MLflow: version {version.version} mirrors {version.tags.get('generation')}, which does not exist."
        elif version.tags.get("scorer_sha256") != _digest(entry):
            yield f"MLflow: version {version.version} has another scorer than {entry.name}."


def _alias(
    book: Book, settings: Settings, lake: Lake, versions: list[Any], history: Mapping[str, publication.Entry]
) -> Iterator[str]:
    """The alias `champion` must name a version of the scorer being served (a switch publishes the same one again)."""
    served = publication.current(lake)
    told = dict(book.client.get_registered_model(model_name(settings)).aliases or {}).get("champion")
    by_number = {str(version.version): version for version in versions}
    named = by_number.get(str(told))
    if named is not None and named.tags.get("scorer_sha256") == _digest(served):
        return
    if not any(version.tags.get("scorer_sha256") == _digest(served) for version in versions):
        yield f"MLflow has no version of {served.name} yet: the next night that reaches MLflow writes it."
    else:
        says = "nobody" if named is None else f"version {told} ({named.tags.get('generation')})"
        yield f"MLflow: the alias champion names {says}, served is {served.name}."


def _digest(entry: publication.Entry) -> str:
    return str(entry.manifest["files"].get(ARRAYS, {}).get("sha256"))
