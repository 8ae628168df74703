"""The search of settings on planted tastes: what wins, what is hidden, and what is written."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys import arrays
from recsys.config import Contender, parse
from recsys.contest import tune as module
from recsys.contest.isolated import Job, Result
from recsys.contest.spaces import SPACES, Number, Words, setting_of, space_of
from recsys.contest.tune import Ground, Terms, Trial, Tuned, fragment, ground, tune
from recsys.contract import Dataset, Split
from recsys.errors import ConfigError, EmptyError, UsageError
from recsys.models import catalog
from tests import worlds


@pytest.fixture(scope="module")
def where() -> Iterator[Ground]:
    with ground(worlds.planted(u=120, m=30)[0]) as found:
        yield found


def searched(where: Ground, terms: Terms, **settings: Any) -> Tuned:
    contender = Contender(family="als", dimension=8, alpha=4.0, **settings)
    only = ("regularisation",)
    return tune("als", contender, space_of("als", contender, only), where, terms, lambda *_: None)


@pytest.mark.slow
def test_a_poor_start_is_left_behind_and_the_same_search_twice_is_the_same(where: Ground) -> None:
    found = searched(where, Terms(trials=5, seed=2), regularisation=9e8)  # nothing can be learnt
    assert [t.number for t in found.trials] == [0, 1, 2, 3, 4]
    assert found.trials[0].settings["regularisation"] == 9e8
    assert found.before == found.trials[0].value
    assert found.value == max(t.value or 0 for t in found.trials) > (found.before or 0)
    assert found.settings["dimension"] == 8  # not asked for
    again = searched(where, Terms(trials=5, seed=2), regularisation=9e8)
    assert [(t.settings, t.value) for t in again.trials] == [(t.settings, t.value) for t in found.trials]
    other = searched(where, Terms(trials=5, seed=3), regularisation=9e8)
    assert [t.settings for t in other.trials[1:]] != [t.settings for t in found.trials[1:]]


def canned(value: float, status: str = "ok") -> Result:
    return Result(status, "" if status == "ok" else "it broke", 0.1, 0.1, 1.0, {"value": value}, ())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Fits that take no time: the value is best at a regularisation of 50, and above 1000 they break."""
    jobs: list[Job] = []

    def fit(job: Job, watch: Any = None) -> Result:
        jobs.append(job)
        x = float(job.settings.get("regularisation", 5))
        return canned(1 / (1 + abs(np.log(x / 50))), "ok" if x < 1000 else "failed")

    monkeypatch.setattr(module, "fit", fit)
    monkeypatch.setattr(module, "_judged", lambda r, *_: r.report["value"] if r.status == "ok" else None)
    return jobs


def test_the_sampler_learns_from_what_it_saw_and_failures_do_not_stop_it(where: Ground, quick: list[Job]) -> None:
    contender = Contender(family="ease")
    space = space_of("ease", contender, ("regularisation",))
    told: list[Trial] = []
    found = tune("ease", contender, space, where, Terms(trials=40, seed=1), lambda _, t: told.append(t))
    assert len(found.trials) == len(told) == len(quick) == 40
    assert {t.status for t in found.trials} == {"ok", "failed"}
    assert all((t.value is None) == (t.status == "failed") for t in found.trials)
    assert 20 < found.settings["regularisation"] < 125
    late = [np.log(t.settings["regularisation"] / 50) for t in found.trials[20:]]
    early = [np.log(t.settings["regularisation"] / 50) for t in found.trials[1:9]]
    assert np.mean(np.abs(late)) < np.mean(np.abs(early))


def test_a_few_values_are_tried_once_each(where: Ground, quick: list[Job]) -> None:
    contender = Contender(family="ease")
    found = tune("ease", contender, {"weighting": Words(("binary", "log"))}, where, Terms(trials=9), lambda *_: None)
    assert len(quick) == len(found.trials) == 3  # as it stands, and two words


def test_seconds_end_a_search_and_the_contender_as_it_stands_is_always_judged(where: Ground, quick: list[Job]) -> None:
    contender = Contender(family="ease")
    found = tune("ease", contender, space_of("ease", contender), where, Terms(seconds=1e-9), lambda *_: None)
    assert [t.settings for t in found.trials] == [{}]
    assert quick[0].seconds == 900


def test_where_everything_fails_the_settings_stay(where: Ground, quick: list[Job]) -> None:
    contender = Contender(family="ease", regularisation=5000.0)
    found = tune("ease", contender, {}, where, Terms(trials=3), lambda *_: None)
    assert (found.settings, found.value, found.before) == ({"regularisation": 5000.0}, None, None)
    assert "no trial came to an end" in fragment([found])


def test_what_is_judged_is_hidden_from_the_fit_and_from_its_early_stopping(where: Ground) -> None:
    past = arrays.from_bytes(Dataset, Path(where.dataset).read_bytes())
    inner = arrays.from_bytes(Split, Path(where.validation).read_bytes())
    truth, queries = where.exam.truth, where.exam.queries
    owner = queries.customer[np.repeat(np.arange(len(truth)), np.diff(truth.start))]
    assert len(owner) > 100
    for data in (past, inner.train):
        assert not np.asarray(data.events.seen(30)[owner, truth.product]).any()
        assert not np.asarray(data.baskets.lines[owner, truth.product]).any()


def test_many_customers_are_judged_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    data = worlds.planted(u=50, m=30)[0]
    with ground(data) as every:
        pass
    monkeypatch.setattr(module, "JUDGED", 7)
    with ground(data, seed=5) as few:
        assert len(few.exam.queries) == len(few.exam.truth) == 7
    for row, customer in enumerate(few.exam.queries.customer):
        whole = int(np.flatnonzero(every.exam.queries.customer == customer)[0])
        a, b = few.exam.truth, every.exam.truth
        np.testing.assert_array_equal(
            a.product[a.start[row] : a.start[row + 1]], b.product[b.start[whole] : b.start[whole + 1]]
        )


def test_nobody_with_two_products_is_said() -> None:
    data = worlds.dataset([[0], [1], []], 3)
    with pytest.raises(EmptyError, match="no customer with two products"), ground(data):
        pass


def test_every_end_of_every_range_is_a_setting_its_family_takes() -> None:
    for family, space in SPACES.items():
        for setting, axis in space.items():
            ends = axis.options if isinstance(axis, Words) else (axis.low, axis.high)
            for end in ends:
                catalog.build(family, {setting: setting_of(axis, end)})
            if isinstance(axis, Number) and not axis.even:
                assert axis.low > 0


def test_words_that_are_written_down_stay_and_numbers_are_searched() -> None:
    contender = Contender(family="lightfm", loss="bpr", epochs=3)
    space = space_of("mine", contender)
    assert "loss" not in space
    assert "epochs" in space
    assert list(space_of("mine", contender, ("epochs",))) == ["epochs"]
    assert "loss" in space_of("mine", Contender(family="lightfm"))


@pytest.mark.parametrize(
    ("contender", "only", "error", "said"),
    [
        (Contender(family="alz"), (), ConfigError, "'als'"),
        (Contender(family="als", factorz=4), (), ConfigError, "factorz"),
        (Contender(family="als"), ("dimensions",), UsageError, "no setting 'dimensions' to tune.*'dimension'"),
        (Contender(family="complements"), (), UsageError, "cannot be tuned"),
    ],
)
def test_an_unknown_family_or_setting_is_said(contender: Contender, only: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        space_of("mine", contender, only)


def test_the_fragment_is_a_part_of_recsys_toml() -> None:
    settings = {"learning_rates": [1e-05, 0.003], "join": "cosine", "side_features": False, "dimension": 32}
    tuned = Tuned("my_tower", "two_tower", "ndcg_at_10", settings, 0.25, None, 7, (Trial(0, {}, "failed", None, 1.0),))
    text = fragment([tuned, dataclasses.replace(tuned, name="other", before=0.2)])
    assert "as it stood before: failed" in text
    assert "before: 0.2000" in text
    read = parse(tomllib.loads(text))
    assert read.contenders["my_tower"].settings == settings
    assert list(read.contenders) == ["my_tower", "other"]
