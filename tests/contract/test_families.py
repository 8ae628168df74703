"""The executable contract: what every family must do, on worlds whose answer is known."""

from __future__ import annotations

import dataclasses
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse

from recsys import arrays
from recsys.contract import Features, Run, settings_of
from recsys.errors import FitError, RecsysError
from recsys.models import catalog
from recsys.scorers.store import load_scorer, scorer_bytes
from tests import worlds
from tests.contract import cases

every = pytest.mark.parametrize("family", cases.families())


def test_the_catalog_and_the_suite_know_the_same_families() -> None:
    assert set(cases.CASES) | cases.CHOICE == set(catalog.FAMILIES)


@every
def test_scores_have_a_row_per_query_and_a_column_per_product(family: str) -> None:
    data, scorer = cases.board(), cases.on_board(family).scorer
    queries = worlds.queries(data, [4, 0, 9], basket=[[0], [2, 4], []])
    scores = scorer.score(queries)
    assert scores.shape == (3, 16)
    assert scores.dtype == np.float32
    assert not np.isinf(scores).any()
    some = np.array([7, 1, 12, 3], dtype=np.int32)
    np.testing.assert_allclose(scorer.score(queries, some), scores[:, some], rtol=1e-5, atol=1e-6)
    assert scorer.space == data.space


@every
def test_a_query_is_answered_alone_as_in_a_batch_and_in_any_thread(family: str) -> None:
    data, scorer = cases.board(), cases.on_board(family).scorer
    queries = worlds.queries(data, [5, -1, 0, 13, 2], basket=[[1], [2], [], [3, 5], [0]])
    scores = scorer.score(queries)
    for row in range(len(queries)):
        alone = scorer.score(queries.take(slice(row, row + 1)))
        np.testing.assert_allclose(alone[0], scores[row], rtol=2e-5, atol=2e-6)
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: scorer.score(queries), range(8)):
            np.testing.assert_array_equal(again, scores)


@pytest.mark.parametrize("family", cases.families(personal=True))
def test_the_checkerboard_is_completed(family: str) -> None:
    data = cases.board()
    scores = cases.on_board(family).scorer.score(worlds.queries(data))
    scores[data.events.seen(16).nonzero()] = -np.inf
    offered = np.nanargmax(np.where(np.isnan(scores), -np.inf, scores), axis=1)
    np.testing.assert_array_equal(offered, [worlds.missing(c) for c in range(22)])


def mean_truth(scores: np.ndarray, truth: np.ndarray, seen: sparse.csr_matrix, k: int = 5) -> float:
    """Mean true score of the k best products not bought yet."""
    scores = np.nan_to_num(scores, nan=-1e9)
    scores[seen.nonzero()] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :k]
    return float(np.take_along_axis(truth, best, axis=1).mean())


@pytest.mark.parametrize("family", cases.families(personal=True))
def test_planted_factors_are_found(family: str) -> None:
    data, truth = cases.planted()
    queries, seen = worlds.queries(data), data.events.seen(data.n_products)
    bar = mean_truth(cases.fit("popularity", data).scorer.score(queries), truth, seen)
    oracle = mean_truth(truth.astype(np.float32), truth, seen)
    found = mean_truth(cases.fit(family, data).scorer.score(queries), truth, seen)
    assert (found - bar) / (oracle - bar) > 0.5


@every
def test_unknown_customers_empty_histories_and_baskets_of_nobody_are_answered(family: str) -> None:
    data, scorer = cases.board(), cases.on_board(family).scorer
    unknown = worlds.queries(data, [-1, -1], history=[[], []], basket=[[], [2, 4]], segment=[-1, 1])
    scores = scorer.score(unknown)
    assert scores.shape == (2, 16)
    assert not np.isinf(scores).any()
    no_basket = dataclasses.replace(unknown, basket=None)
    assert scorer.score(no_basket).shape == (2, 16)
    assert scorer.score(unknown.take(slice(0, 0))).shape == (0, 16)


@pytest.mark.parametrize("family", cases.families(reads_history=True))
def test_somebody_new_with_a_history_gets_an_own_list(family: str) -> None:
    data, scorer = cases.board(), cases.on_board(family).scorer
    even, odd = scorer.score(worlds.queries(data, [-1, -1], history=[[0, 4, 8], [1, 5, 9]]))
    parity = np.arange(16) % 2
    unseen = np.setdiff1d(np.arange(16), [0, 4, 8, 1, 5, 9])
    assert parity[unseen[np.nanargmax(even[unseen])]] == 0
    assert parity[unseen[np.nanargmax(odd[unseen])]] == 1


def test_complements_complete_a_basket_without_a_customer() -> None:
    scores = cases.on_board("complements").scorer.score(worlds.queries(cases.board(), [-1], basket=[[3]]))
    assert np.isnan(scores[0, ::2]).all()  # nobody bought 3 with an even product
    assert np.isfinite(np.delete(scores[0, 1::2], 1)).all()
    assert np.isnan(scores[0, 3])


@every
def test_a_product_nobody_bought_has_no_opinion_or_a_finite_one(family: str) -> None:
    data = worlds.dataset([[0, 1, 2], [1, 2, 4], [0, 2, 4], [0, 1]], 6)  # 3 and 5 are never sold
    scores = cases.fit(family, data).scorer.score(worlds.queries(data))
    assert not np.isinf(scores).any()
    if family != "popularity":  # whose opinion of it is 0 orders
        assert np.isnan(scores[:, [3, 5]]).all()


@every
def test_stored_and_loaded_it_is_the_same_scorer(family: str) -> None:
    data, scorer = cases.board(), cases.on_board(family).scorer
    again = load_scorer(scorer_bytes(scorer))
    assert type(again) is type(scorer)
    assert arrays.digest(again) == arrays.digest(scorer)
    queries = worlds.queries(data, basket=[[c % 16] for c in range(22)])
    np.testing.assert_array_equal(again.score(queries), scorer.score(queries))


@every
def test_settings_survive_json(family: str) -> None:
    estimator = catalog.build(family, cases.CASES[family].settings)
    assert catalog.build(family, json.loads(json.dumps(settings_of(estimator)))) == estimator
    assert len(settings_of(estimator)) <= cases.CASES[family].most_settings
    assert estimator.family == family
    hash(estimator)


@every
def test_same_in_same_digest(family: str) -> None:
    first, again = cases.on_board(family), cases.fit(family, worlds.checkerboard())
    assert arrays.digest(first.scorer) == arrays.digest(again.scorer)
    assert arrays.digest(first.state) == arrays.digest(again.state)


@every
def test_a_fit_leaves_its_data_alone_and_reports_in_json(family: str) -> None:
    data = worlds.checkerboard()
    before = arrays.digest(data)
    fitted = cases.fit(family, data)
    fitted.scorer.score(worlds.queries(data))
    assert arrays.digest(data) == before
    assert json.loads(json.dumps(dict(fitted.report)))


@pytest.mark.parametrize("family", cases.families(iterates=True))
def test_a_passed_deadline_ends_the_fit(family: str) -> None:
    with pytest.raises(FitError, match="deadline"):
        cases.fit(family, cases.board(), Run(deadline=time.monotonic() - 1))


@pytest.mark.parametrize("family", cases.families(iterates=True))
def test_every_epoch_is_logged(family: str) -> None:
    steps: list[int] = []
    fitted = cases.fit(family, cases.board(), Run(log=lambda step, **numbers: steps.append(step)))
    assert sorted(set(steps))[:2] == [0, 1]
    assert len(set(steps)) >= fitted.report["n_iterations"]


@pytest.mark.parametrize("family", cases.families(warm=True))
def test_a_warm_start_carries_rows_by_id(family: str) -> None:
    """Tonight has a customer and a product more, in front of all others: every row number has moved."""
    small = cases.board()
    space = dataclasses.replace(
        small.space,
        customers=worlds.Index.of(["a", *small.space.customers.ids]),
        products=worlds.Index.of(["a", *small.space.products.ids]),
    )
    histories = [[0, 1], *[[p + 1 for p in small.events.take(np.array([c])).product] for c in range(22)]]
    grown = worlds.dataset(histories, 17, as_of=small.as_of + 86_400)
    grown = dataclasses.replace(worlds.with_features(grown), space=space)
    state = cases.on_board(family).state
    warm = cases.fit(family, grown, Run(seed=3, start=state))
    assert warm.report["warm_start"] is True
    scores = warm.scorer.score(worlds.queries(grown))[1:]
    scores[small.events.seen(16).toarray().nonzero()[0], 1 + small.events.seen(16).nonzero()[1]] = -np.inf
    scores[:, 0] = -np.inf
    hits = np.nanargmax(np.where(np.isnan(scores), -np.inf, scores), axis=1) == [
        1 + worlds.missing(c) for c in range(22)
    ]
    assert hits.mean() > 0.8
    later = dataclasses.replace(small, as_of=small.as_of - 86_400)
    cold = cases.fit(family, later, Run(seed=3, start=state))
    assert cold.report["warm_start"] is False  # a state from the future is never used


@every
def test_broken_input_ends_in_our_own_error_or_in_a_scorer(family: str) -> None:
    single = worlds.dataset([[0], [0]], 1)
    nobody = worlds.dataset([[], []], 3)
    nan = Features(sparse.csr_matrix(np.array([[np.nan]] * 22, dtype=np.float32)), worlds.Index.of(["age"]))
    with_nan = dataclasses.replace(cases.board(), customer_features=nan)
    for data in (single, nobody, with_nan):
        try:
            scores = cases.fit(family, data).scorer.score(worlds.queries(data))
        except RecsysError:
            continue
        assert not np.isinf(scores).any()
