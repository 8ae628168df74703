from __future__ import annotations

import json
import subprocess
import sys

import pytest

from recsys.contract import settings_of
from recsys.errors import ConfigError
from recsys.models import catalog
from recsys.models.popularity import Popularity


def test_build_gives_the_estimator() -> None:
    assert catalog.build("popularity", {"window_days": 28}) == Popularity(window_days=28)
    assert catalog.build("popularity", {"shrinkage": 5}) == Popularity(shrinkage=5.0)


def test_settings_make_the_round_trip_through_json() -> None:
    estimator = Popularity(window_days=7, per_segment=True)
    assert catalog.build("popularity", json.loads(json.dumps(settings_of(estimator)))) == estimator


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("popularty", {}, "Did you mean 'popularity'"),
        ("popularity", {"window": 3}, "Did you mean 'window_days'"),
        ("popularity", {"window_days": "a month"}, "got 'a month'; wanted a whole number"),
        ("popularity", {"window_days": 1.5}, "wanted a whole number"),
        ("popularity", {"window_days": True}, "wanted a whole number"),
        ("popularity", {"window_days": 0}, "popularity.window_days; got 0; wanted 1 to 36500"),
        ("popularity", {"per_segment": 1}, "wanted true or false"),
        ("popularity", {"shrinkage": float("nan")}, "wanted a number"),
        ("popularity", {"shrinkage": None}, "got None"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(family: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.").replace("?", r"\?")):
        catalog.build(family, settings)


def test_a_family_that_answers_texts_is_built_but_enters_no_contest() -> None:
    assert catalog.build("search", {}).family == "search"
    with pytest.raises(ConfigError, match=r"got 'search', which answers texts.*wanted one of popularity"):
        catalog.enter("search", {})
    assert catalog.enter("popularity", {"window_days": 28}) == Popularity(window_days=28)
    with pytest.raises(ConfigError, match="Did you mean 'ease'"):
        catalog.enter("easy", {})


def test_the_catalog_imports_nothing_heavy() -> None:
    heavy = ["torch", "lightfm", "implicit", "pyblp", "sklearn", "numba", "polars"]
    code = f"import sys, recsys.models.catalog; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
