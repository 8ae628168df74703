"""Lists: full, never barred, never seen, and every place says which rung filled it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.contract import EMPTY, F32, I32, Events, Features, Index, Queries, Space
from recsys.ranking.align import align, score_blocks
from recsys.ranking.recommend import Rules, recommend, shares_by_rung


@dataclass(frozen=True)
class Table:
    """A scorer that reads its scores off a table by customer; an unknown customer has no opinion."""

    space: Space
    scores: F32
    inputs: Index = EMPTY

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        out = np.where(queries.customer[:, None] >= 0, self.scores[queries.customer], np.float32(np.nan))
        return out.astype(np.float32)


def space(n: int, m: int, first: int = 0) -> Space:
    return Space(Index.of(f"c{i:02d}" for i in range(n)), Index.of(f"p{i:03d}" for i in range(first, first + m)))


def ask(where: Space, rows: Any) -> Queries:
    customer = np.array(rows, dtype=np.int32)
    n = len(customer)
    nothing = np.full(n, -1, dtype=np.int32)
    features = Features(sparse.csr_matrix((n, 0), dtype=np.float32), EMPTY)
    return Queries(where, customer, Events.empty(n), None, features, nothing, np.zeros(n, dtype=np.int64))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_no_barred_or_seen_product_ever_and_lists_are_full(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, k = rng.integers(1, 6), rng.integers(4, 30), rng.integers(1, 8)
    where = space(n, m)
    gaps = rng.random((n, m)) < rng.random()
    table = Table(where, np.where(gaps, np.nan, rng.normal(size=(n, m))).astype(np.float32))
    below = Table(where, np.tile(rng.normal(size=m), (n, 1)).astype(np.float32))
    barred = rng.random(m) < 0.3
    seen = sparse.csr_matrix((rng.random((n, m)) < 0.2).astype(np.float32))
    served = recommend([table, below], ask(where, range(n)), int(k), Rules(barred, seen))
    for i, row in enumerate(served.lists.products):
        listed = row[row >= 0]
        free = np.flatnonzero(~barred & (seen[i].toarray().ravel() == 0))
        assert set(listed) <= set(free)
        assert len(set(listed)) == len(listed) == min(k, len(free))
        own = [p for p, rung in zip(row, served.rung[i], strict=True) if rung == 0]
        assert own == sorted(own, key=lambda p: (-table.scores[i, p], p))
    shares = shares_by_rung(served, ["table", "below"])
    assert sum(shares.values()) == pytest.approx(1)


def test_a_customer_without_an_opinion_is_answered_by_the_fallback() -> None:
    where = space(2, 4)
    table = Table(where, np.array([[4, 3, 2, 1], [1, 2, 3, 4]], dtype=np.float32))

    @dataclass(frozen=True)
    class Everybody(Table):
        def score(self, queries: Queries, products: I32 | None = None) -> F32:
            return np.tile(np.array([0, 9, 0, 0], dtype=np.float32), (len(queries), 1))

    ((_, scores),) = score_blocks(table, ask(where, [1, -1]), Everybody(where, table.scores))
    np.testing.assert_array_equal(scores, [[1, 2, 3, 4], [0, 9, 0, 0]])


def test_another_nights_scorer_sees_its_own_rows_and_unknown_products_are_nan() -> None:
    old, new = space(2, 4), space(3, 5, first=2)  # p000..p003 then; p002..p006 now
    table = Table(old, np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.float32))
    queries = ask(new, [1, 2])
    history = Events(
        np.array([0, 2, 3]),
        np.array([0, 4, 1], np.int32),
        np.zeros(3, np.int64),
        np.ones(3, np.float32),
        np.full(3, -1, np.int32),
    )
    queries = Queries(new, queries.customer, history, None, queries.features, queries.segment, queries.time)
    moved = align(queries, table)
    assert moved.customer.tolist() == [1, -1]
    assert moved.history.product.tolist() == [2, 3]  # p002, p003 in the old rows; p006 is unknown there
    assert np.diff(moved.history.start).tolist() == [1, 1]
    ((_, scores),) = score_blocks(table, queries)
    np.testing.assert_array_equal(scores[0], [7, 8, np.nan, np.nan, np.nan])
    assert np.isnan(scores[1]).all()
