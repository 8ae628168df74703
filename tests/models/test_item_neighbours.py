from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from recsys.contract import Features, Index, Run
from recsys.models import item_neighbours
from recsys.models.item_neighbours import ItemNeighbours
from tests import worlds


def dense(contender: ItemNeighbours, data: worlds.Dataset) -> np.ndarray:
    return contender.fit(data, Run()).scorer.weights.toarray()  # type: ignore[attr-defined]


def test_cosine_by_hand() -> None:
    data = worlds.dataset([[0, 1], [0, 1, 2], [0, 3]], 4)
    weights = dense(ItemNeighbours("cosine", neighbours=3), data)
    assert weights[0, 1] == pytest.approx(2 / np.sqrt(3 * 2))
    assert weights[0, 3] == pytest.approx(1 / np.sqrt(3))
    assert weights[1, 3] == 0
    np.testing.assert_allclose(weights, weights.T, rtol=1e-6)
    np.testing.assert_array_equal(np.diag(weights), 0)


def test_powers_and_shrinkage_by_hand() -> None:
    """History product 0 (3 buyers), scored product 1 (2 buyers), shared by customers with 2 and 3 purchases."""
    data = worlds.dataset([[0, 1], [0, 1, 2], [0, 3]], 4)
    weights = dense(ItemNeighbours("cosine", powers=(0.8, 0.4, 1.0), shrinkage=2.0, half_life_days=None), data)
    assert weights[0, 1] == pytest.approx((1 / 2 + 1 / 3) / (3**0.8 * 2**0.4 + 2), rel=1e-5)
    assert weights[1, 0] == pytest.approx((1 / 2 + 1 / 3) / (2**0.8 * 3**0.4 + 2), rel=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "asymmetric", "rp3beta", "tfidf", "bm25"])
def test_the_k_nearest_of_every_scored_product_whatever_the_blocks(similarity: str, monkeypatch: object) -> None:
    data, _ = worlds.planted(u=80, m=25)
    contender = ItemNeighbours(similarity, neighbours=4)  # type: ignore[arg-type]
    whole = dense(contender, data)
    assert ((whole > 0).sum(axis=0) <= 4).all()
    assert ((whole > 0).sum(axis=1) > 4).any()
    everything = dense(ItemNeighbours(similarity, neighbours=25), data)  # type: ignore[arg-type]
    for j in range(25):
        np.testing.assert_allclose(np.sort(whole[:, j])[-4:], np.sort(everything[:, j])[-4:], rtol=1e-6)
    monkeypatch.setattr(item_neighbours, "BLOCK_CELLS", 60)  # type: ignore[attr-defined]
    np.testing.assert_allclose(dense(contender, data), whole, rtol=1e-6)


def test_cosine_equals_the_library_s() -> None:
    from implicit.nearest_neighbours import CosineRecommender

    data, _ = worlds.planted(u=60, m=17, per_customer=5)
    x = data.events.seen(17)
    model = CosineRecommender(K=17)
    model.fit(x, show_progress=False)
    own = model.similarity.toarray()
    np.fill_diagonal(own, 0)
    np.testing.assert_allclose(dense(ItemNeighbours("cosine", neighbours=17), data), own, atol=1e-6)


@pytest.mark.parametrize("similarity", ["tfidf", "bm25"])
def test_similarities_by_rarity_equal_the_library_s(similarity: str) -> None:
    from implicit.nearest_neighbours import BM25Recommender, TFIDFRecommender

    data, _ = worlds.planted(u=60, m=17, per_customer=5)
    model = {"tfidf": TFIDFRecommender, "bm25": BM25Recommender}[similarity](K=17)
    model.fit(data.events.seen(17), show_progress=False)
    own = model.similarity.toarray()
    np.fill_diagonal(own, 0)
    contender = ItemNeighbours(similarity, neighbours=17, half_life_days=None)  # type: ignore[arg-type]
    np.testing.assert_allclose(dense(contender, data), own, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("similarity", ["tfidf", "bm25"])
def test_weights_by_rarity_equal_the_library_s_on_counts(similarity: str) -> None:
    """9 customers of 13 products who buy up to four times; one of them buys everything, and tells a little."""
    from implicit.nearest_neighbours import bm25_weight, tfidf_weight

    rng = np.random.default_rng(2)
    counts = rng.integers(1, 5, (9, 13)) * (rng.random((9, 13)) < np.linspace(0.2, 0.8, 9)[:, None])
    counts[-1] = 1
    x = sparse.csr_matrix(counts.astype(np.float32))
    weigh = {"tfidf": tfidf_weight, "bm25": lambda t: bm25_weight(t, item_neighbours.BM25_K1, item_neighbours.BM25_B)}
    theirs = weigh[similarity](x.T.astype(np.float64)).T.toarray()
    ours = item_neighbours._rarity(x, similarity).toarray()
    assert len(set(np.diff(x.indptr))) > 4
    assert np.diff(x.indptr)[:-1].max() <= 13 - 2
    np.testing.assert_allclose(ours[:-1], theirs[:-1], rtol=1e-5)
    np.testing.assert_allclose(ours[-1], theirs[-1] / np.log(13 / 14) / 13, rtol=1e-5)  # not below 0, but 1 / m


def test_asymmetric_by_hand() -> None:
    """Products of 3, 2 and 1 buyers: what is in the history counts .58 of its size, what is scored .42."""
    data = worlds.dataset([[0, 1], [0, 1, 2], [0, 3]], 4)
    weights = dense(ItemNeighbours("asymmetric", neighbours=3), data)
    assert weights[0, 1] == pytest.approx(2 / (3**0.58 * 2**0.42), rel=1e-5)
    assert weights[1, 0] == pytest.approx(2 / (2**0.58 * 3**0.42), rel=1e-5)
    assert weights[0, 2] == pytest.approx(1 / 3**0.58, rel=1e-5)
    assert weights[2, 0] == pytest.approx(1 / 3**0.42, rel=1e-5)


def test_the_textbook_shop() -> None:
    """A bought t-shirts, mugs and posters, B mugs, posters and canvas: A is offered canvas, B t-shirts."""
    tshirt, mug, poster, canvas, sticker = range(5)
    data = worlds.dataset([[tshirt, mug, poster], [mug, poster, canvas], [sticker]], 5)
    scores = ItemNeighbours("cosine").fit(data, Run()).scorer.score(worlds.queries(data))
    scores[data.events.seen(5).nonzero()] = np.nan
    assert np.nanargmax(scores[0]) == canvas
    assert np.nanargmax(scores[1]) == tshirt


def test_a_product_never_sold_relates_to_those_that_look_alike() -> None:
    """A white short-sleeve t-shirt relates to a blue short-sleeve or a white long-sleeve one before anything else."""
    names = ["white short tshirt", "blue short tshirt", "white long tshirt", "red mug", "big poster", "small mug"]
    columns = Index.of({word for name in names for word in name.split()})
    words = np.array([[word in name.split() for word in columns.ids] for name in names])
    matrix = sparse.csr_matrix(words.astype(np.float32))
    data = worlds.dataset([[1, 3], [2, 4], [1, 3, 4], [5, 3]], 6)
    data = dataclasses.replace(data, product_features=Features(matrix, columns))
    scorer = ItemNeighbours("cosine").fit(data, Run()).scorer
    related = scorer.similar(np.array([0], dtype=np.int32)).toarray()[0]  # type: ignore[attr-defined]
    assert set(np.argsort(-related)[:2]) == {1, 2}
    plain = ItemNeighbours("cosine", attribute_weight=0.0).fit(data, Run()).scorer
    assert plain.similar(np.array([0], dtype=np.int32)).nnz == 0  # type: ignore[attr-defined]


def test_attributes_matter_less_the_more_a_product_sells() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32))
    features = Features(matrix, Index.of(["a", "b"]))
    few = worlds.dataset([[0, 2]] * 2, 4)
    many = worlds.dataset([[0, 2]] * 50, 4)
    shares = []
    for data in (few, many):
        weights = dense(ItemNeighbours("cosine"), dataclasses.replace(data, product_features=features))
        shares.append(weights[1, 0] / weights[2, 0])  # looks alike, never sold / bought together
    assert shares[0] > 5 * shares[1] > 0
