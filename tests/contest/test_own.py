"""A contest on an own split: what a refused contender leaves, and a published figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys.config import Contender, Contest
from recsys.contest import own
from recsys.contest.isolated import Result
from recsys.data.pairs import own_split
from recsys.errors import ConfigError

MOVIELENS = Path(__file__).parents[2].parent / "shared" / "data" / "ml-1m-ncf"


def hold(contenders: dict[str, Contender], *files: str, **terms: Any) -> list[own.Entrant]:
    split = own_split(*(str(file) for file in files))
    return own.hold(split, contenders, own.Terms(**terms), lambda name, event, numbers: None)


def test_a_refused_contender_says_why_and_is_never_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "user,item\n" + "".join(f"u{u},i{i}\n" for u in range(8) for i in (u % 3, 3))
    (tmp_path / "train.csv").write_text(rows)
    (tmp_path / "test.csv").write_text("user,item\nu0,i1\nu1,i2\n")
    fit = own.fit

    def refusing(job: Any, *more: Any) -> Result:
        if job.family == "popularity":
            return fit(job, *more)
        return Result("refused", "logit; got a price coefficient above 0", 0.5, 0.4, 60.0, {"price": 0.2}, ())

    monkeypatch.setattr(own, "fit", refusing)
    contenders = {"logit": Contender(family="logit"), "popularity": Contender(family="popularity")}
    entrants = hold(contenders, tmp_path / "train.csv", tmp_path / "test.csv")
    told = own.as_json(entrants, own.verdict(entrants, Contest(bar=("popularity",))))
    refused = told["contenders"][0]
    assert (refused["name"], refused["status"]) == ("logit", "refused")
    assert refused["reason"] == "logit; got a price coefficient above 0"
    assert (refused["metrics"], refused["scorer_mb"], refused["report"]) == ({}, None, {"price": 0.2})
    assert set(refused) == set(told["contenders"][1])
    assert told["decision"]["champion"] == "popularity"
    assert told["decision"]["gates"]["logit"]["failed"] == ["refused: logit; got a price coefficient above 0"]


def test_a_family_that_answers_texts_is_refused_before_the_first_fit(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("user,item\nu0,i0\nu1,i1\nu1,i0\n")
    with pytest.raises(ConfigError, match="'search', which answers texts"):
        hold({"finder": Contender(family="search")}, tmp_path / "train.csv", tmp_path / "test.csv")


@pytest.mark.slow
@pytest.mark.skipif(not MOVIELENS.exists(), reason="the MovieLens split lies in ../shared/data/ml-1m-ncf")
def test_popularity_on_movielens_is_the_published_one() -> None:
    """Ferrari Dacrema et al. 2019, full results: TopPop .4531 and .2542 with the 99 negatives of the NCF paper."""
    files = [MOVIELENS / name for name in ("train.csv.gz", "test.rating.tsv.gz", "test.negative.tsv.gz")]
    (entrant,) = hold({"popularity": Contender(family="popularity")}, *files, at=(10,), draws=100)
    means = {name: told["mean"] for name, told in entrant.summary["metrics"].items()}
    assert means["hit_at_10"] == pytest.approx(0.4531, abs=5e-5)
    assert means["ndcg_at_10"] == pytest.approx(0.2541, abs=5e-5)
