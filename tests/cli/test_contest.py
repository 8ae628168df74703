"""`recsys contest` as a user types it, on sixty users of two tribes."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from recsys.cli import build
from recsys.errors import RecsysError
from recsys.models.catalog import FAMILIES

CONTENDER = {
    "name", "family", "status", "reason", "settings", "metrics", "lists", "fit_seconds", "score_seconds",
    "fit_cpu_seconds", "score_cpu_seconds", "peak_memory_mb", "scorer_mb", "report",
}  # fmt: skip
Row = tuple[str, str, int, float]


def tribes() -> tuple[list[Row], list[Row]]:
    """(train, test): every user bought 7 of the 12 items of its own tribe; one of them is held out."""
    rng = random.Random(1)
    train: list[Row] = []
    test: list[Row] = []
    for user in range(60):
        own = rng.sample(range(12), 7)
        rows = [(f"u{user:02d}", f"i{user % 2}{item:02d}", rng.randrange(10**6), 1.0) for item in own]
        test, train = [*test, rows[0]], [*train, *rows[1:]]
    return train, test


def write(file: Path, rows: list[Row], header: str = "user,item,timestamp,weight", sep: str = ",") -> str:
    width = header.count(sep) + 1
    text = header + "\n" + "".join(sep.join(map(str, row[:width])) + "\n" for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return str(file)


@pytest.fixture
def split(tmp_path: Path) -> tuple[str, str]:
    train, test = tribes()
    return write(tmp_path / "train.csv", train), write(tmp_path / "test.csv", test)


def contest(*words: str) -> dict[str, Any]:
    out = Path(words[0]).parent / "result.json"
    answer = CliRunner().invoke(build(), ["contest", *words, "--json", str(out)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    told: dict[str, Any] = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    return told


def by_name(told: dict[str, Any]) -> dict[str, Any]:
    return {c["name"]: c for c in told["contenders"]}


@pytest.mark.slow
def test_the_json_keeps_its_schema_and_finds_the_tribes(split: tuple[str, str]) -> None:
    told = contest(*split, "--contenders", "popularity,item_neighbours,logit")
    assert set(told) == {"contenders", "decision"}
    found = by_name(told)
    assert list(found) == ["popularity", "item_neighbours", "logit"]
    for contender in found.values():
        assert set(contender) == CONTENDER
    best = found["item_neighbours"]
    assert (best["status"], best["reason"], best["family"]) == ("ok", "", "item_neighbours")
    assert set(best["metrics"]["ndcg@10"]) == {"mean", "low", "high", "n"}
    assert {"hit@10", "recall@20", "ndcg@20"} <= set(best["metrics"])
    assert best["metrics"]["ndcg@10"]["n"] == 60
    assert best["metrics"]["hit@10"]["mean"] == 1.0  # five items of the own tribe are left to rank
    assert found["popularity"]["metrics"]["hit@10"]["mean"] < 0.7
    assert best["settings"]["neighbours"] == 100  # the settings as used, defaults included
    assert best["peak_memory_mb"] > 1
    assert (found["logit"]["status"], found["logit"]["metrics"]) == ("failed", {})
    assert "offers" in found["logit"]["reason"]
    assert told["decision"]["champion"] == "item_neighbours"


@pytest.mark.slow
def test_neighbours_of_products_and_of_customers_are_shown_side_by_side(split: tuple[str, str]) -> None:
    words = ["contest", *split, "--contenders", "user_neighbours,item_neighbours"]
    told = CliRunner().invoke(build(), words, catch_exceptions=False).stdout
    one, two = told.partition("Neighbours side by side:")[2].strip().splitlines()[:2]
    assert one.split()[0] == "user_neighbours"
    assert two.split()[0] == "item_neighbours"
    assert all(word in line for line in (one, two) for word in ("fit ", "score ", " MB"))


@pytest.mark.slow
def test_parquet_gzip_semicolons_and_a_byte_order_mark_are_the_same_split(tmp_path: Path) -> None:
    train, test = tribes()
    plain = (write(tmp_path / "train.csv", train), write(tmp_path / "test.csv", test))
    pl.DataFrame(train, schema=["user", "item", "timestamp", "weight"], orient="row").write_parquet(
        tmp_path / "train.parquet"
    )
    packed = write(tmp_path / "test.csv.gz", test)
    semicolon = write(tmp_path / "semicolon.csv", test, "\ufeffuser;item;timestamp;weight", ";")
    one, two, three = (
        by_name(contest(*files, "--contenders", "popularity"))["popularity"]["metrics"]
        for files in (plain, (str(tmp_path / "train.parquet"), packed), (plain[0], semicolon))
    )
    assert one == two == three


@pytest.mark.slow
def test_seen_items_candidates_and_cutoffs(tmp_path: Path, split: tuple[str, str]) -> None:
    train, _ = tribes()
    again = write(tmp_path / "again.csv", train[:30])  # held out: what was bought already
    assert (
        by_name(contest(split[0], again, "--contenders", "popularity"))["popularity"]["metrics"]["hit@20"]["mean"] == 0
    )
    kept = contest(split[0], again, "--contenders", "popularity", "--keep-seen", "--at", "24,3,3", "--validation", "0")
    assert by_name(kept)["popularity"]["metrics"]["hit@24"]["mean"] == 1
    assert "ndcg@3" in by_name(kept)["popularity"]["metrics"]
    offered = [(user, item, 0, 1.0) for user in ("u00", "u01", "nobody") for item in ("i000", "i100", "nothing")]
    candidates = write(tmp_path / "candidates.csv", offered, "user,item")
    few = by_name(contest(*split, "--contenders", "popularity", "--candidates", candidates))
    assert few["popularity"]["metrics"]["hit@10"]["mean"] == 1  # three products at most to choose from


@pytest.mark.slow
def test_users_and_items_nobody_knows_are_misses_not_errors(tmp_path: Path, split: tuple[str, str]) -> None:
    strange = write(tmp_path / "strange.csv", [("zz", "nothing", 1, 1.0), ("zy", "i001", 1, 1.0)])
    told = by_name(contest(split[0], strange, "--contenders", "popularity,als"))
    assert told["als"]["status"] == "ok"
    assert told["popularity"]["metrics"]["ndcg@10"]["n"] == 2
    one = write(tmp_path / "one.csv", [(f"u{i}", "x", 1, 1.0) for i in range(5)])
    assert by_name(contest(one, one, "--contenders", "popularity"))["popularity"]["metrics"]["hit@10"]["mean"] == 0


@pytest.mark.slow
def test_a_single_product_is_a_reason_or_a_score_for_every_family_and_never_a_library_s_error(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", [("a", "x", 0, 1.0), ("b", "x", 0, 1.0), ("c", "x", 0, 1.0)], "user,item")
    test = write(tmp_path / "test.csv", [("a", "x", 0, 1.0), ("stranger", "x", 0, 1.0)], "user,item")
    told = by_name(contest(one, test, "--contenders", ",".join(FAMILIES)))
    assert list(told) == list(FAMILIES)
    for name, contender in told.items():
        if contender["status"] == "ok":
            assert contender["metrics"]["ndcg@10"]["n"] == 2
        else:
            assert "wanted" in contender["reason"], name
            assert "Error:" not in contender["reason"], name
    assert told["popularity"]["metrics"]["hit@10"]["mean"] == 0.5  # the stranger is offered it, who has it is not


@pytest.mark.slow
def test_a_catalogue_too_large_for_a_family_is_refused_before_its_fit_naming_the_limit(tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{(7 * u + 11 * k) % 300}", 0, 1.0) for u in range(40) for k in range(10)]
    train, test = write(tmp_path / "train.csv", rows, "user,item"), write(tmp_path / "test.csv", rows[:9], "user,item")
    config = tmp_path / "recsys.toml"
    tables = [f'[contenders.{n}]\nfamily = "{n}"\n{s}\n' for n, s in (("ease", "memory_mb = 1"), ("popularity", ""))]
    config.write_text("".join(tables))
    told = by_name(contest(train, test, "--config", str(config)))
    assert told["popularity"]["status"] == "ok"
    assert told["ease"]["status"] == "failed"
    assert "288 x 288 products" in told["ease"]["reason"]
    assert "at most memory_mb = 1" in told["ease"]["reason"]


@pytest.mark.parametrize(
    ("train", "words", "said"),
    [
        ("user,item\na,x\n", ["--contenders", "alz"], "Unknown contender 'alz'.*als"),
        ("user,item\n", [], "has no rows"),
        ("", [], "is empty"),
        ("who,what\na,x\n", [], "wanted a header with the columns user,item"),
        ("user,item,weight\na,x,1\nb,y,NaN\n", [], "row 2 after the header; got user=b, item=y, weight=NaN"),
        ("user,item,weight\na,x,1\n,y,2\n", [], "row 2 after the header"),
        ("user,item\na,x\n", ["--at", "0"], "--at; got 0"),
        ("user,item\na,x\n", ["--at", "ten"], "--at; got ten"),
        ("user,item\na,x\n", ["--json", "/no/such/folder/out.json"], "cannot be written"),
        ("user,item\na,x\n", ["--config", "/no/such.toml"], "No configuration"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_fit(tmp_path: Path, train: str, words: list[str], said: str) -> None:
    file, test = tmp_path / "train.csv", tmp_path / "test.csv"
    file.write_text(train)
    test.write_text("user,item\na,x\n")
    with pytest.raises(RecsysError, match=said):
        CliRunner().invoke(build(), ["contest", str(file), str(test), *words], catch_exceptions=False)


def test_a_setting_nobody_knows_is_named(tmp_path: Path, split: tuple[str, str]) -> None:
    config = tmp_path / "recsys.toml"
    config.write_text('[contenders.mine]\nfamily = "als"\nfactorz = 4\n')
    with pytest.raises(RecsysError, match="factorz"):
        CliRunner().invoke(build(), ["contest", *split, "--config", str(config)], catch_exceptions=False)
