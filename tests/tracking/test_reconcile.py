"""What the doctor says of MLflow: aliases and versions against the sequence of generations."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from recsys import publication
from recsys.data.lake import Lake
from recsys.errors import ServiceError
from recsys.tracking.reconcile import reconcile
from tests.tracking.world import settings

ROOM = sys.modules["recsys.tracking.reconcile"]  # the package's own `reconcile` is the function


@dataclass
class Registry:
    """The part of MLflow's client the doctor reads."""

    versions: list[Any]
    aliases: dict[str, str] = field(default_factory=dict)

    def search_model_versions(self, _: str) -> list[Any]:
        return self.versions

    def get_registered_model(self, _: str) -> Any:
        return SimpleNamespace(aliases=dict(self.aliases))

    def set_registered_model_alias(self, _: str, alias: str, version: str) -> None:
        self.aliases[alias] = version


def version(number: int, generation: str, sha: str) -> Any:
    return SimpleNamespace(version=number, tags={"generation": generation, "scorer_sha256": sha})


@pytest.fixture
def world(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two generations, both mirrored, the second served and the alias on it."""
    one = settings(tmp_path)
    lake = Lake(str(one.lake_folder))
    shas = []
    for base, blob in enumerate((b"first", b"second")):
        manifest = {"key": f"k{base}", "as_of": "2024-01-01", "day": base, "champion": f"c{base}"}
        entry = publication.publish(lake, base, {"champion.safetensors": blob}, manifest, {})
        shas.append(entry.manifest["files"]["champion.safetensors"]["sha256"])
    registry = Registry([version(1, "gen-000001", shas[0]), version(2, "gen-000002", shas[1])], {"champion": "2"})
    monkeypatch.setattr(ROOM, "open_book", lambda _: SimpleNamespace(client=registry))
    return SimpleNamespace(settings=one, lake=lake, registry=registry)


def test_a_mirror_that_agrees(world: Any) -> None:
    assert reconcile(world.settings, world.lake) == ([], "")


def test_an_alias_that_was_overwritten_is_named_and_mended(world: Any) -> None:
    world.registry.aliases["champion"] = "1"
    found, note = reconcile(world.settings, world.lake)
    assert found == ["MLflow: the alias champion names version 1 (gen-000001), served is gen-000002."]
    assert note == ""
    assert reconcile(world.settings, world.lake, fix=True)[0][0].endswith("Mended.")
    assert world.registry.aliases == {"champion": "2", "previous": "1"}
    assert reconcile(world.settings, world.lake) == ([], "")


def test_a_rollback_moves_what_the_alias_must_name(world: Any) -> None:
    publication.rollback(world.lake, "worse")
    assert "served is gen-000001" in reconcile(world.settings, world.lake)[0][0]


def test_versions_that_mirror_nothing_or_something_else(world: Any) -> None:
    world.registry.versions += [version(3, "gen-000009", "f" * 64), version(4, "gen-000001", "f" * 64)]
    assert reconcile(world.settings, world.lake)[0] == [
        "MLflow: version 3 mirrors gen-000009, which does not exist.",
        "MLflow: version 4 has another scorer than gen-000001.",
    ]


def test_a_generation_that_was_not_mirrored_yet(world: Any) -> None:
    world.registry.versions.pop()
    assert reconcile(world.settings, world.lake)[0] == [
        "MLflow has no version of gen-000002 yet: the next night that reaches MLflow writes it."
    ]


def test_mlflow_that_is_away_or_empty_is_a_note(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.registry.versions.clear()
    assert reconcile(world.settings, world.lake) == ([], "MLflow has no version of this shop's champion yet.")

    def away(_: Any) -> Any:
        raise ServiceError("MLflow does not answer")

    monkeypatch.setattr(ROOM, "open_book", away)
    found, note = reconcile(world.settings, world.lake)
    assert found == []
    assert "MLflow does not answer" in note
