"""Who may import what: the rooms of the design, held by reading every import in the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "recsys"
# Level of each room; a room imports lower levels and itself, never a neighbour on its own level.
LEVEL = {
    "errors": 0,
    "config": 1,
    "arrays": 1,
    "contract": 2,
    "data": 3,
    "scorers": 3,
    "models": 4,
    "ranking": 4,
    "publication": 4,
    "serving": 5,
    "evaluation": 5,
    "assortment": 6,
    "contest": 7,
    "report": 8,
    "tracking": 8,
    "serving_model": 5,
    "steps": 9,
    "night": 10,
    "replay": 10,
    "stack": 10,
    "cli": 11,
    "__init__": 0,
}
HEAVY = {
    "torch",
    "lightfm",
    "implicit",
    "pyblp",
    "mlflow",
    "airflow",
    "sklearn",
    "optuna",
    "statsmodels",
    "matplotlib",
    "pandas",
    "fastapi",
    "faiss",
    "numba",
}
ONLY = {"mlflow": {"tracking", "serving_model"}, "models": {"models", "contest", "steps", "cli"}}


def room_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module and whether it is imported at the top of the file."""
    tree = ast.parse(file.read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in [node.module] if node.module != "recsys" else [f"recsys.{a.name}" for a in node.names]:
                yield name, id(node) in top


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_a_room_imports_lower_rooms_only(file: Path) -> None:
    own = room_of(file)
    for module, _ in imports(file):
        if not module.startswith("recsys."):
            continue
        other = module.split(".")[1]
        if other == own or other.startswith("__"):
            continue
        assert LEVEL[other] < LEVEL[own], f"{own} (level {LEVEL[own]}) imports {other} (level {LEVEL[other]})"
        assert own in ONLY.get(other, {own}), f"{own} may not import {other}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_are_used(file: Path) -> None:
    for module, at_top in imports(file):
        library = module.split(".")[0]
        assert library != "airflow", "recsys never imports airflow"
        assert not (at_top and library in HEAVY) or file.name in ("kernels.py", "serving_model.py"), (
            f"{module} at the top"
        )
        assert room_of(file) in ONLY.get(library, {room_of(file)}), f"only {ONLY.get(library)} may import {library}"


def test_importing_the_contract_and_the_catalog_is_cheap() -> None:
    code = "import sys, recsys.steps, recsys.models.catalog, recsys.config; print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.strip(" '[]\n").split(".")[0] for name in out.split(",")}
    assert not loaded & HEAVY
