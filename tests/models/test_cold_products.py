"""MovieLens-100K with whole films held out: what is known of a film must place it where its history cannot."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.contract import Baskets, Catalogue, Dataset, Events, Features, Index, Run, Space, stack_rows
from recsys.data.features import encode
from recsys.data.split import ask, validation_split
from recsys.models import catalog

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "ml-100k"
GENRES = [
    *("unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
]


def lines(name: str, separator: str) -> Iterator[list[str]]:
    with gzip.open(FOLDER / f"{name}.gz", "rt", encoding="latin-1") as file:
        yield from (line.rstrip("\n").split(separator) for line in file if line.strip())


def users(index: Index) -> Features:
    rows = {row[0]: row for row in lines("u.user", "|")}
    of = [rows[str(i)] for i in index.ids]
    fields = {"age": [float(r[1]) for r in of], "gender": [r[2] for r in of], "occupation": [r[3] for r in of]}
    return encode(fields, len(index))


def films(index: Index) -> Features:
    rows = {row[0]: row for row in lines("u.item", "|")}
    of = [rows[str(i)] for i in index.ids]
    genres = [[name for name, flag in zip(GENRES, row[5:24], strict=True) if flag == "1"] for row in of]
    return encode({"decade": [row[2][-4:-1] for row in of]}, len(index), genres)


def world(seed: int) -> tuple[Dataset, Any, Any]:
    """Ratings without a tenth of the films; customers and the hidden films they rated, as bool[customers, hidden]."""
    ratings = [(row[0], row[1], int(row[3])) for row in lines("u.data", "\t")]
    space = Space(Index.of(r[0] for r in ratings), Index.of(r[1] for r in ratings))
    user, film = space.customers.rows(r[0] for r in ratings), space.products.rows(r[1] for r in ratings)
    time = np.array([r[2] for r in ratings], dtype=np.int64)
    u, m = len(space.customers), len(space.products)
    cold = np.sort(np.random.default_rng(seed).permutation(m)[: m // 10])
    kept = ~np.isin(film, cold)
    order = np.lexsort((film[kept], time[kept], user[kept]))
    owner, product, when = user[kept][order], film[kept][order], time[kept][order]
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=u))]).astype(np.int64)
    nowhere = np.full(len(owner), -1, dtype=np.int32)
    events = Events(start, product, when, np.ones(len(owner), dtype=np.float32), nowhere)
    blank = np.full(m, "", dtype=object)
    catalogue = Catalogue(blank, np.full(m, -1, np.int32), blank, np.full(m, np.nan, np.float32), np.ones(m, bool))
    data = Dataset(
        space=space,
        events=events,
        baskets=Baskets(stack_rows([]).csr(m), nowhere[:0], nowhere[:0], when[:0]),
        catalogue=catalogue,
        customer_features=users(space.customers),
        product_features=films(space.products),
        customer_segment=np.full(u, -1, dtype=np.int32),
        as_of=int(time.max()) + 1,
    )
    hidden = np.zeros((u, m), dtype=bool)
    hidden[user[~kept], film[~kept]] = True
    return data, cold, hidden[:, cold]


def ndcg(scores: Any, truth: Any, rng: np.random.Generator) -> Any:
    """NDCG@10 of each row among the hidden films; those without an opinion come last, ties by chance."""
    order = np.lexsort((rng.random(scores.shape), -np.nan_to_num(scores, nan=-1e9)), axis=1)[:, :10]
    gain = 1 / np.log2(np.arange(10) + 2)
    best = np.cumsum(gain)[np.minimum(truth.sum(axis=1), 10) - 1]
    return (np.take_along_axis(truth, order, axis=1) * gain).sum(axis=1) / best


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.exists(), reason="MovieLens-100K is not beside the repository")
@pytest.mark.parametrize("family", ["two_tower", "factorization_machine"])
def test_features_rank_films_that_were_never_rated(family: str) -> None:
    data, cold, truth = world(seed=0)
    queries = ask(data, data.space.customers.ids, data.customer_segment)
    asked = truth.any(axis=1)
    values = {}
    for side_features in (True, False):
        estimator = catalog.build(family, {"side_features": side_features})
        scorer = estimator.fit(data, Run(validation=validation_split(data))).scorer
        scores = scorer.score(queries, cold.astype(np.int32))[asked]
        values[side_features] = ndcg(scores, truth[asked], np.random.default_rng(1))
    difference = values[True] - values[False]
    rng = np.random.default_rng(2)
    means = [difference[rng.integers(len(difference), size=len(difference))].mean() for _ in range(1000)]
    assert np.quantile(means, 0.025) > 0
