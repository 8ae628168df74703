"""`recsys search` on a generation made by hand."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from recsys import publication
from recsys.cli import build
from recsys.contract import Run
from recsys.data.lake import Lake
from recsys.errors import RecsysError
from recsys.models.search import Search
from recsys.scorers.store import scorer_bytes
from tests.models.test_search import TITLES, shop


def published(root: Path, files: dict[str, bytes], **manifest: str) -> str:
    config = root / "recsys.toml"
    config.write_text(f'runtime = "{root}/runtime"\n')
    told = {"key": "night", "champion": "als", "as_of": "2024-03-01", "day": 19783, **manifest}
    publication.publish(Lake(str(root / "runtime" / "lake")), 0, files, told, {})
    return str(config)


def ask(config: str, *words: str) -> str:
    answer = CliRunner().invoke(build(), ["search", *words, "--config", config], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    data, table = shop(), BytesIO()
    pl.DataFrame(
        {"product": list(data.space.products.ids), "title": TITLES, "available": [p != 3 for p in range(9)]}
    ).write_parquet(table)
    fitted = Search(dimension=16, epochs=60, learning_rate=0.02).fit(data, Run(seed=1))
    files = {"search.safetensors": scorer_bytes(fitted.scorer), "products.parquet": table.getvalue()}
    return published(tmp_path_factory.mktemp("shop"), files)


def test_the_best_come_first_and_what_is_gone_is_left_out_unless_asked_for(config: str) -> None:
    assert "white porcelain cup" in ask(config, "porcelain", "cup").splitlines()[0]
    rows = json.loads(ask(config, "blue bicycle pump", "--k", "3", "--json"))
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert "p003" not in {row["product"] for row in rows}
    assert json.loads(ask(config, "blue bicycle pump", "--all", "--json"))[0]["product"] == "p003"


def test_words_nobody_knows_are_said(config: str) -> None:
    assert ask(config, "qqqq") == "Nothing in any title is like this text.\n"


def test_a_generation_without_search_says_why(tmp_path: Path) -> None:
    config = published(
        tmp_path, {"lists.parquet": b""}, lost={"search": "failed: search; got 0 products with a title."}
    )
    with pytest.raises(RecsysError, match="gen-000001 has no search; got failed: search; got 0 products with a title"):
        ask(config, "cup")
