"""Search on a made-up shop: what is typed finds its product, and what is bought with it."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from scipy import sparse

from recsys import arrays
from recsys.contract import Dataset, Features, Fitted, Run
from recsys.errors import FitError
from recsys.models import search as module
from recsys.models.search import Search, candidates, dropped
from recsys.scorers.store import load_scorer, scorer_bytes
from tests import worlds

TITLES = [
    "white porcelain teapot", "white porcelain cup", "blue bicycle bell", "blue bicycle pump", "wooden spoon",
    "teapot warmer felt", "bicycle repair kit", "garden lantern", "",
]  # fmt: skip
PAIRS = [(0, 5), (1, 4), (2, 6), (3, 6)]  # always bought together


def shop(titles: list[str] = TITLES) -> Dataset:
    orders = [list(pair) for pair in PAIRS for _ in range(12)] + [[7], [8], [8]]
    data = worlds.dataset([[0], [1, 2], [3]], len(titles), guests=orders)
    return dataclasses.replace(
        data, catalogue=dataclasses.replace(data.catalogue, title=np.array(titles, dtype=object))
    )


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return Search(dimension=16, epochs=60, learning_rate=0.02).fit(shop(), Run(seed=1))


def best(fitted: Fitted, text: str) -> list[int]:
    scores = np.nan_to_num(fitted.scorer.search([text])[0], nan=-np.inf)  # type: ignore[attr-defined]
    return [int(j) for j in np.argsort(-scores, kind="stable")]


@pytest.mark.parametrize(
    ("text", "product"),
    [("white porcelain teapot", 0), ("TEAPOT porcelain", 0), ("porcelian cup", 1), ("lanterns", 7), ("spoon", 4)],
)
def test_words_misspelled_words_and_parts_of_titles_find_their_product(fitted: Fitted, text: str, product: int) -> None:
    assert best(fitted, text)[0] == product


@pytest.mark.parametrize(("asked", "along"), PAIRS)
def test_what_is_bought_along_comes_next(fitted: Fitted, asked: int, along: int) -> None:
    places = best(fitted, TITLES[asked])
    assert places[0] == asked
    assert along in places[1:3]
    assert places.index(along) < places.index(7)


def test_a_product_without_a_title_is_never_found_and_nonsense_has_no_answer(fitted: Fitted) -> None:
    assert best(fitted, "cup")[-1] == 8
    nothing = fitted.scorer.search(["", "?!", "qqqqq"])  # type: ignore[attr-defined]
    assert nothing.shape == (3, 9)
    assert np.isnan(nothing).all()


def test_queries_of_text_columns_score_as_texts_do_and_survive_storage(fitted: Fitted) -> None:
    scorer = load_scorer(scorer_bytes(fitted.scorer))
    assert arrays.digest(scorer) == arrays.digest(fitted.scorer)
    data, texts = shop(), ["garden teapot", "", "bell"]
    queries = worlds.queries(data, [-1, -1, -1], history=[[], [], []])
    asked = dataclasses.replace(queries, features=Features(scorer.columns.rows(texts), scorer.inputs))
    scores = scorer.score(asked)
    np.testing.assert_array_equal(scores, scorer.search(texts))
    some = np.array([5, 0, 7], dtype=np.int32)
    np.testing.assert_allclose(scorer.score(asked, some), scores[:, some], rtol=1e-5, atol=1e-6)
    assert len(scorer.inputs) == scorer.columns.size == len(scorer.table)


def test_same_seed_same_arrays() -> None:
    one, two, other = (Search(dimension=4, epochs=2).fit(shop(), Run(seed=s)).scorer for s in (3, 3, 4))
    assert arrays.digest(one) == arrays.digest(two) != arrays.digest(other)


def test_a_shop_of_single_item_orders_learns_from_titles_alone() -> None:
    data = worlds.dataset([[0], [1]], 2, guests=[[0], [1]])
    found = Search(dimension=8, epochs=40, learning_rate=0.02).fit(data, Run())
    assert best(found, "product 1")[0] == 1


def test_what_cannot_be_fitted_is_said() -> None:
    bare = shop([""] * 8 + ["one"])
    with pytest.raises(FitError, match=r"1 products with a title.*at least 2"):
        Search().fit(bare, Run())
    with pytest.raises(FitError, match="memory_mb"):
        Search(dimension=2048, memory_mb=1).fit(shop(), Run())
    with pytest.raises(FitError, match="the deadline"):
        Search().fit(shop(), Run(deadline=time.monotonic() - 1))


def test_dropped_tokens_leave_rows_of_length_one() -> None:
    rng = np.random.default_rng(0)
    x = sparse.random(40, 60, 0.2, "csr", dtype=np.float32, random_state=rng)
    few = dropped(x, 0.5, rng)
    assert 0.3 < (few.data == 0).mean() < 0.7
    full = np.diff(x.indptr) > 0
    np.testing.assert_allclose(np.sqrt(few.multiply(few).sum(axis=1))[full], 1, rtol=1e-5)
    all_gone = dropped(x, 0.95, rng)
    assert (np.asarray(all_gone.sum(axis=1)).ravel()[full] > 0).all()


def test_a_sampled_sum_stands_for_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 30)
    m, rng = 200, np.random.default_rng(2)
    answers = sparse.csr_matrix((np.ones(3, np.float32), ([0, 0, 1], [4, 150, 9])), shape=(2, m))
    own, scores = np.array([10, 20], dtype=np.int32), rng.normal(size=m)
    totals = []
    for _ in range(3000):
        offered, added = candidates(answers, own, rng)
        assert {4, 9, 10, 20, 150} <= set(offered.tolist())
        assert len(offered) == 35
        totals.append(np.exp(scores[offered] + added).sum())
    error = np.std(totals) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - np.exp(scores).sum()) < 4 * error


def test_the_loss_of_a_sampled_catalogue_still_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 3)
    losses = Search(dimension=16, epochs=40, learning_rate=0.02).fit(shop(), Run(seed=1)).report["losses"]
    assert losses[-1] < 0.7 * losses[0]
