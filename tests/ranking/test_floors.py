"""Seller floors: the programme's value against an exact one, floors that hold, and a clear no where they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from recsys.contract import F64, I32
from recsys.errors import DataError
from recsys.ranking.floors import TOLERANCE, enforce_floors, floor_shares
from recsys.ranking.rerank import Candidates, discounts
from tests.ranking.forty_sellers import shelf


def market(n: int, m: int, sellers: int, seed: int) -> tuple[Candidates, I32, F64]:
    """Few sellers are strong: five of forty hold nine tenths of the exposure."""
    rng = np.random.default_rng(seed)
    size = np.arange(1, sellers + 1) ** -0.7
    seller = rng.choice(sellers, m, p=size / size.sum()).astype(np.int32)
    seller[:sellers] = np.arange(sellers)
    liking = rng.normal(0, 0.7, (n, m)) - 0.5 * np.log(1 + seller) + rng.normal(0, 0.3, m)
    chance = 1 / (1 + np.exp(3 - liking))
    return Candidates(np.tile(np.arange(m, dtype=np.int32), (n, 1)), chance), seller, np.bincount(seller).astype(float)


def exact_optimum(candidates: Candidates, seller: I32, floors: F64, k: int) -> float:
    """The whole programme: x[query, product, place] between 0 and 1, solved at once."""
    (n, m), worth = candidates.chance.shape, discounts(k)
    x = np.arange(n * m * k).reshape(n, m, k)
    cost = -(candidates.chance[:, :, None] * worth).ravel()
    one_per_place = np.zeros((n * k, x.size))
    once = np.zeros((n * m, x.size))
    enough = np.zeros((len(floors), x.size))
    for i in range(n):
        for place in range(k):
            one_per_place[i * k + place, x[i, :, place]] = 1
        for j in range(m):
            once[i * m + j, x[i, j]] = 1
            enough[seller[j], x[i, j]] = -worth
    limits = np.concatenate([np.ones(n * m), -floors * n * worth.sum()])
    found = linprog(cost, np.vstack([once, enough]), limits, one_per_place, np.ones(n * k), bounds=(0, 1))
    return -float(found.fun)


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_the_exact_optimum(seed: int) -> None:
    candidates, seller, weight = market(7, 9, 4, seed)
    floors, k = floor_shares(weight, 0.8), 3
    plain = (np.sort(candidates.chance, axis=1)[:, ::-1][:, :k] * discounts(k)).sum()
    found = enforce_floors(candidates, seller, floors, k)
    assert found.bound == pytest.approx(exact_optimum(candidates, seller, floors, k) / plain, rel=2e-3)
    assert found.missing == 0


@pytest.mark.parametrize(("phi", "most"), [(0.1, 0.01), (0.5, 0.12)])
def test_floors_hold_and_cost_little(phi: float, most: float) -> None:
    candidates, seller, weight = market(900, 200, 40, 5)
    floors = floor_shares(weight, phi)
    found = enforce_floors(candidates, seller, floors, 10)
    assert np.sort(found.before)[-5:].sum() > 0.85
    assert (found.before < floors).sum() > 15
    assert found.status == "ok"
    assert (found.exposure >= floors * (1 - TOLERANCE)).all()
    assert 1 - most <= found.utility <= 1
    assert found.utility <= found.bound * 1.01
    assert found.utility >= found.bound - 0.01
    assert found.products.shape == (900, 10)
    assert all(len(set(row)) == 10 for row in found.products.tolist())
    own = np.bincount(seller[found.products].ravel(), weights=np.tile(discounts(10), 900), minlength=40)
    assert found.exposure == pytest.approx(own / own.sum())


def test_no_floors_change_nothing() -> None:
    candidates, seller, weight = market(30, 12, 4, 6)
    found = enforce_floors(candidates, seller, np.zeros(4), 3)
    assert found.utility == 1.0
    assert np.array_equal(found.products, np.argsort(-candidates.chance, axis=1, kind="stable")[:, :3])
    assert len(weight) == 4


def test_a_seller_nobody_may_be_shown_is_infeasible_by_name() -> None:
    candidates, seller, _ = market(50, 12, 4, 7)
    hidden = Candidates(np.where(seller[candidates.products] == 3, -1, candidates.products), candidates.chance)
    found = enforce_floors(hidden, seller, np.array([0.0, 0.1, 0.1, 0.2]), 3)
    assert found.status == "infeasible"
    assert found.short.tolist() == [3]
    assert found.missing == pytest.approx(0.2, abs=1e-6)
    assert (found.products[:, 0] >= 0).all()  # lists are there all the same, as near as they can be
    assert (found.exposure[1:3] >= 0.1 * (1 - TOLERANCE)).all()


def test_one_product_cannot_fill_half_of_all_places() -> None:
    candidates, _, _ = market(40, 8, 4, 8)
    seller = np.array([0, 1, 1, 1, 2, 2, 3, 3], dtype=np.int32)
    found = enforce_floors(candidates, seller, np.array([0.5, 0.0, 0.0, 0.0]), 5)
    assert found.status == "infeasible"
    assert found.exposure[0] == pytest.approx(1 / discounts(5).sum(), rel=0.01)  # the top place of every list


def test_prices_serve_queries_that_were_not_asked() -> None:
    candidates, seller, weight = market(800, 60, 10, 9)
    first, rest = (
        Candidates(candidates.products[rows], candidates.chance[rows]) for rows in (slice(0, 400), slice(400, None))
    )
    floors = floor_shares(weight, 0.6)
    prices = enforce_floors(first, seller, floors, 5).prices
    missing = []
    for added in (np.zeros(10), prices):
        top = np.argsort(-(rest.chance + added[seller]), axis=1)[:, :5]
        shown = np.bincount(seller[top].ravel(), weights=np.tile(discounts(5), 400), minlength=10)
        missing.append(np.maximum(floors - shown / shown.sum(), 0).sum())
    assert missing[1] < 0.2 * missing[0]


@pytest.mark.parametrize("floors", [[0.9, 0.9, 0, 0], [-0.1, 0, 0, 0], [np.nan, 0, 0, 0]])
def test_floors_that_make_no_sense(floors: list[float]) -> None:
    candidates, seller, _ = market(5, 6, 4, 10)
    with pytest.raises(DataError, match="shares"):
        enforce_floors(candidates, seller, np.array(floors), 2)


@pytest.mark.parametrize(("phi", "starved", "most"), [(0.1, 0, 0.01), (0.5, 5, 0.03)])
def test_forty_sellers_of_the_marketplace_get_their_floors(phi: float, starved: int, most: float) -> None:
    """True chances: at a tenth of the catalogue share at most 1 % of the relevance goes (AC-F1)."""
    market = shelf()
    floors = floor_shares(market.stock, phi)
    found = enforce_floors(market.candidates, market.seller, floors, 10)
    assert len(floors) == 40
    assert (found.before < floors).sum() >= starved
    assert (found.status, len(found.short)) == ("ok", 0)
    assert (found.exposure >= floors * (1 - TOLERANCE)).all()
    assert 1 - most <= found.utility <= found.bound + 1e-9


def test_a_seller_of_the_marketplace_without_candidates_is_named() -> None:
    market = shelf()
    owner = market.seller[market.candidates.products[0]]
    kept = owner != 7
    fewer = Candidates(market.candidates.products[:, kept], market.candidates.chance[:, kept])
    found = enforce_floors(fewer, market.seller, floor_shares(market.stock, 0.1), 10)
    assert (found.status, found.short.tolist()) == ("infeasible", [7])
    assert found.missing > 0
