from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.config import parse
from recsys.contest import searching
from recsys.contest.searching import search_files
from recsys.contract import Dataset
from recsys.data.lake import Lake
from recsys.errors import FitError
from recsys.scorers.search import SearchScorer
from recsys.scorers.store import load_scorer
from tests import worlds


def night(lake: Lake, data: Dataset, **more: Any) -> dict[str, Any]:
    dataset = lake.put_value("dataset.safetensors", data).json()
    return {"dataset": dataset, "seed": 0, "fit_seconds": 60.0, "fit_memory_mb": 4096} | more


@pytest.mark.slow
def test_a_night_publishes_what_answers_texts(tmp_path: Path) -> None:
    lake, data = Lake(str(tmp_path)), worlds.checkerboard()
    files, _ = search_files(parse({}), lake, night(lake, data))
    scorer = load_scorer(files["search.safetensors"])
    assert isinstance(scorer, SearchScorer)
    assert scorer.space.products.digest == data.space.products.digest


@pytest.mark.slow
def test_a_shop_without_titles_publishes_none_and_says_so(tmp_path: Path) -> None:
    lake, data = Lake(str(tmp_path)), worlds.checkerboard()
    bare = dataclasses.replace(data.catalogue, title=np.full(16, "", dtype=object))
    with pytest.raises(FitError, match="0 products with a title"):
        search_files(parse({}), lake, night(lake, dataclasses.replace(data, catalogue=bare)))


def test_the_champion_does_not_wait_longer_for_it_than_it_has_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def fit(lake: Lake, name: str, contender: Any, dataset: Any, limits: dict[str, Any]) -> dict[str, str]:
        given.append(limits["fit_seconds"])
        return {"status": "failed", "reason": "deadline"}

    monkeypatch.setattr(searching, "fit_record", fit)
    lake = Lake(str(tmp_path))
    for seconds in (900.0, 30.0):
        with pytest.raises(FitError, match="deadline"):
            search_files(parse({}), lake, night(lake, worlds.checkerboard(), fit_seconds=seconds))
    assert given == [searching.SECONDS, 30.0]
    assert searching.SECONDS <= 120


def test_neither_a_replay_nor_a_shop_that_wants_none_fits_one(tmp_path: Path) -> None:
    lake, data = Lake(str(tmp_path)), worlds.checkerboard()
    assert search_files(parse({}), lake, night(lake, data, backtest=True)) == ({}, {})
    assert search_files(parse({"publishing": {"search": False}}), lake, night(lake, data)) == ({}, {})
