"""recsys.toml: frozen, unknown keys refused with the nearest name, the environment on top."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from recsys.config import Contender, Settings, Trial, load, parse
from recsys.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "recsys.toml"
    file.write_text(text)
    return file


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(write(tmp_path, 'runtime = "run"\n[orders]\npath = "a/o.csv"\n'))
    assert settings.lake_folder == (tmp_path / "run" / "lake").resolve()
    assert settings.file("a/o.csv") == str((tmp_path / "a" / "o.csv").resolve())
    assert settings.file("s3://bucket/x") == "s3://bucket/x"


def test_the_lake_is_a_folder_or_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(write(tmp_path, "")).lake_root == str(tmp_path.resolve() / ".runtime" / "lake")
    assert load(write(tmp_path, 'lake = "else/where"')).lake_root == str(tmp_path.resolve() / "else" / "where")
    monkeypatch.setenv("RECSYS_LAKE", "s3://bucket/shop")
    settings = load(write(tmp_path, ""))
    assert settings.lake_root == "s3://bucket/shop"
    assert "lake" not in settings.model_dump()  # where it lies is no input of any result
    with pytest.raises(ConfigError, match="needs a lake in a folder; got s3://bucket/shop"):
        _ = settings.lake_folder


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[shop]\nnmae = 'x'", "Did you mean 'name'"),
        ("[contest]\ndays = 0", "contest.days"),
        ("[contest]\nat = [5]", "primary 'ndcg_at_10' is not measured"),
        ("[contest]\nprimary = 'ncdg_at_10'", "not measured"),
        ("[shop]\ntimezone = 'Europe/Berlni'", "Europe/Berlin"),
        ("[shop]\nname = 'A B'", "shop.name"),
        ("[orders]\npath = 'a'\nurl = 'b'", "either path or url"),
        ("lake = 'ftp://host/x'", "a folder or s3://bucket/prefix"),
        ("lake = 's3:///x'", "a folder or s3://bucket/prefix"),
        ("[shop", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(write(tmp_path, text))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="recsys init"):
        load(tmp_path / "nowhere.toml")


def test_the_environment_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_NIGHT__SEED", "7")
    monkeypatch.setenv("RECSYS_TRACKING__URL", "http://mlflow:5000")
    monkeypatch.setenv("RECSYS_CONFIG", str(write(tmp_path, "[night]\nseed = 1\n")))
    settings = load()
    assert (settings.night.seed, settings.tracking.url) == (7, "http://mlflow:5000")


def test_a_contender_keeps_its_familys_settings() -> None:
    settings = parse(
        {"contenders": {"a": {"family": "als", "dimension": 8}, "b": {"family": "ease", "enabled": False}}}
    )
    assert settings.contenders["a"].settings == {"dimension": 8}
    assert list(settings.entered()) == ["a"]


def test_the_shops_of_the_repository_load() -> None:
    from recsys.models import catalog

    for file in sorted((Path(__file__).parents[1] / "shops").glob("*/recsys.toml")):
        settings = load(file)
        for contender in settings.entered().values():
            catalog.build(contender.family, contender.settings)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"traffic": {"arms": ["champion", "eese"]}}, "settings: traffic.arms: 'eese' is no contender.*mean 'ease'"),
        ({"traffic": {"arms": ["champion", "champion"]}}, "each named once"),
        ({"traffic": {"arms": []}}, "an arm or more"),
        ({"tests": {"home": {"arms": ["a", "b"], "start": "2024-02-02", "end": "2024-02-01"}}}, "not before its start"),
    ],
)
def test_arms_and_days_that_make_no_sense_are_refused(tree: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse({"contenders": {"ease": {"family": "ease"}}, **tree})
    off = {"ease": {"family": "ease", "enabled": False}}
    sound = {"arms": ["champion", "ease", "popular"]}
    assert parse({"contenders": off, "traffic": sound}).traffic.arms == ("champion", "ease", "popular")
    one_day = {"arms": ["a", "b"], "start": "2024-02-02", "end": "2024-02-02"}
    assert parse({"tests": {"home": one_day}}).tests["home"].end == "2024-02-02"


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key a user may write, with its default; the four tables share [orders]' keys."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if prefix + name in ("folder", "products", "customers", "exposures"):
            continue
        if prefix + name == "contenders":
            yield from keys_of(Contender, "contenders.NAME.")
        elif prefix + name == "tests":
            yield from keys_of(Trial, "tests.NAME.")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_of(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field.default


def test_every_key_is_explained_with_its_default() -> None:
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    rows = (line.split(" | ") for line in page.splitlines() if line.startswith("| `"))
    told = {row[0].strip("| `"): row[1] for row in rows}
    known = dict(keys_of(Settings))
    assert set(told) == set(known)
    for key, default in known.items():
        if told[key].startswith("`"):
            said = tomllib.loads(f"x = {told[key].strip('`')}")["x"]
            assert (tuple(said) if isinstance(said, list) else said) == default, key
