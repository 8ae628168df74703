from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys.contract import Features, Index
from recsys.scorers.tower import FoldIn, Layer, Pool, Tower, month_of
from tests import worlds

DATA = worlds.dataset([[0, 1, 4], [2], []], 5, segment=[1, 0, -1])
rng = np.random.default_rng(0)
PRODUCTS = rng.normal(size=(5, 2)).astype(np.float32)
CUSTOMERS = np.vstack([rng.normal(size=(3, 2)), [[7, 8]]]).astype(np.float32)
SEGMENTS = np.array([[1, 0], [0, 1], [5, 5]], dtype=np.float32)


def test_tables_are_summed_and_the_last_row_serves_the_unknown() -> None:
    tower = Tower(2, customers=CUSTOMERS, segments=SEGMENTS, constant=np.array([10, 20], dtype=np.float32))
    vectors = tower.vectors(worlds.queries(DATA, [0, -1]))
    np.testing.assert_allclose(vectors[0], CUSTOMERS[0] + [10, 21])
    np.testing.assert_allclose(vectors[1], [7 + 5 + 10, 8 + 5 + 20])


@pytest.mark.parametrize(("divide", "by"), [("sum", 1), ("mean", 3), ("sqrt", np.sqrt(3))])
def test_history_is_pooled(divide: str, by: float) -> None:
    pool = Pool(PRODUCTS, divide)  # type: ignore[arg-type]
    vectors = pool.vectors(worlds.queries(DATA))
    np.testing.assert_allclose(vectors[0], PRODUCTS[[0, 1, 4]].sum(axis=0) / by, rtol=1e-6)
    np.testing.assert_array_equal(vectors[2], [0, 0])


def test_features_months_layers_and_length() -> None:
    columns = Index.of(["age", "tall"])
    matrix = worlds.sparse.csr_matrix(np.array([[2, 0], [0, 1], [0, 0]], dtype=np.float32))
    queries = dataclasses.replace(worlds.queries(DATA), features=Features(matrix, columns))
    table = np.array([[1, -1], [3, 4]], dtype=np.float32)
    months = np.zeros((12, 2), dtype=np.float32)
    months[10] = [0.5, 0.5]  # worlds.NOON is a November day
    layer = Layer(np.array([[1, 0], [0, 2]], np.float32), np.array([0, -1], np.float32), residual=True)
    x = np.array([[2.5, -1.5], [3.5, 4.5], [0.5, 0.5]])
    expected = np.maximum(x * [1, 2] + [0, -1], 0) + x
    tower = Tower(2, features=table, months=months, layers=(layer,))
    np.testing.assert_allclose(tower.vectors(queries), expected, rtol=1e-6)
    unit = dataclasses.replace(tower, temperature=0.1)
    np.testing.assert_allclose(np.linalg.norm(unit.vectors(queries), axis=1), 10, rtol=1e-5)


def test_month_of_the_year_in_utc() -> None:
    times = np.array(["2024-01-31T23:59:59", "2024-02-01", "1999-12-31"], dtype="datetime64[s]").astype(np.int64)
    np.testing.assert_array_equal(month_of(times), [0, 1, 11])


@pytest.mark.parametrize("alpha", [8.0, 0.5])  # above and below the confidence of an unseen product
def test_fold_in_solves_the_normal_equations(alpha: float) -> None:
    gram = PRODUCTS.T @ PRODUCTS + 0.3 * np.eye(2, dtype=np.float32)
    solved = FoldIn(gram, alpha).solve(worlds.queries(DATA), PRODUCTS)
    own = PRODUCTS[[0, 1, 4]].astype(np.float64)
    left = gram + (alpha - 1) * own.T @ own
    np.testing.assert_allclose(solved[0], np.linalg.solve(left, alpha * own.sum(axis=0)), rtol=1e-4)
    np.testing.assert_array_equal(solved[2], [0, 0])
