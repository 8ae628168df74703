"""Every family of the catalog with settings small enough for a tiny world, and what it can be asked there."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass, field
from typing import Any

import pytest

from recsys.contract import Dataset, Fitted, Run
from recsys.models import catalog
from tests import worlds


@dataclass(frozen=True)
class Case:
    """Settings for the tiny worlds; `personal`: learns taste from known customers; `iterates`: minds the deadline."""

    settings: dict[str, Any] = field(default_factory=dict)
    personal: bool = True
    iterates: bool = False
    warm: bool = False  # starts from last night's state
    reads_history: bool = False  # so somebody unknown with a history gets an own list
    parts: bool = False
    most_settings: int = 8


CASES: dict[str, Case] = {
    "popularity": Case(personal=False),
    "buy_again": Case(personal=False),
    "complements": Case({"min_together": 1}, personal=False),
    "item_neighbours": Case({"neighbours": 12}, reads_history=True),
    "user_neighbours": Case({"neighbours": 10}, reads_history=True),
    "ease": Case({"regularisation": 5.0}, reads_history=True),
    "als": Case({"dimension": 4, "regularisation": 1.0, "alpha": 4.0}, iterates=True, warm=True, reads_history=True),
    "lightfm": Case({"dimension": 6, "epochs": 40}, iterates=True, warm=True),
    "factorization_machine": Case(
        {"dimension": 8, "epochs": 60, "learning_rate": 0.03, "dropout": 0.0},
        iterates=True,
        warm=True,
        reads_history=True,
        most_settings=9,  # three losses, one of them with a number of negatives, and two ways to hold it back
    ),
    "two_tower": Case(
        {"dimension": 8, "epochs": 60, "learning_rates": (0.03, 0.03)},
        iterates=True,
        warm=True,
        reads_history=True,
        most_settings=11,  # two towers, each with its own depth, width and rate
    ),
    "blend": Case(reads_history=True, parts=True),
}
# Choice models learn from offers in markets, not from these worlds; their suite is tests/models/test_choice*.py.
CHOICE = {"logit", "nested_logit", "blp"}


def families(**wanted: bool) -> list[Any]:
    """The families with these flags as test parameters; one whose file is missing is skipped with that reason."""
    chosen = [name for name, case in CASES.items() if all(getattr(case, k) is v for k, v in wanted.items())]
    return [
        pytest.param(name, marks=() if _exists(name) else pytest.mark.skip(f"{name} is not written")) for name in chosen
    ]


def _exists(family: str) -> bool:
    return importlib.util.find_spec(catalog.FAMILIES[family].split(":")[0]) is not None


def fit(family: str, data: Dataset, run: Run | None = None) -> Fitted:
    """The family's tiny contender fitted on `data`; a blend gets two fitted parts."""
    case = CASES[family]
    run = run or Run(seed=3)
    if case.parts:
        parts = {name: fit(name, data).scorer for name in ("ease", "als")}
        run = Run(run.seed, run.deadline, run.log, run.start, parts, run.validation)
    return catalog.build(family, case.settings).fit(data, run)


@functools.cache
def board() -> Dataset:
    return worlds.checkerboard()


@functools.cache
def on_board(family: str) -> Fitted:
    """One fit on the checkerboard, shared by the tests that only look at it."""
    return fit(family, board())


@functools.cache
def planted() -> tuple[Dataset, Any]:
    return worlds.planted()
