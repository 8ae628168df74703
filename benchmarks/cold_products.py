"""Features against none on films that were never rated: MovieLens-100K, a tenth of the films held out whole.

    .venv/bin/python -m benchmarks.cold_products [--data FOLDER] [--seeds 0 1] [--json OUT]

Every customer is asked to rank the hidden films alone; NDCG@10 with and without side features, default settings, and
the paired difference with its 95 % interval over customers. Goal: above 0 for each family.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import Baskets, Catalogue, Dataset, Events, Features, Index, Run, Space, stack_rows
from recsys.data.features import encode
from recsys.data.split import ask, validation_split
from recsys.evaluation.significance import PairedDifference, paired_difference
from recsys.models import catalog

FOLDER = Path(__file__).parents[1].parent / "shared" / "data" / "ml-100k"
FAMILIES = ("lightfm", "factorization_machine", "two_tower")
GENRES = [
    *("unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
]


def lines(name: str, separator: str, folder: Path = FOLDER) -> Iterator[list[str]]:
    with gzip.open(folder / f"{name}.gz", "rt", encoding="latin-1") as file:
        yield from (line.rstrip("\n").split(separator) for line in file if line.strip())


def users(index: Index, folder: Path) -> Features:
    rows = {row[0]: row for row in lines("u.user", "|", folder)}
    of = [rows[str(i)] for i in index.ids]
    fields = {"age": [float(r[1]) for r in of], "gender": [r[2] for r in of], "occupation": [r[3] for r in of]}
    return encode(fields, len(index))


def films(index: Index, folder: Path) -> Features:
    rows = {row[0]: row for row in lines("u.item", "|", folder)}
    of = [rows[str(i)] for i in index.ids]
    genres = [[name for name, flag in zip(GENRES, row[5:24], strict=True) if flag == "1"] for row in of]
    return encode({"decade": [row[2][-4:-1] for row in of]}, len(index), genres)


def world(seed: int, folder: Path = FOLDER) -> tuple[Dataset, Any, Any]:
    """Ratings without a tenth of the films; the hidden films, and who rated them as bool[customers, hidden]."""
    ratings = [(row[0], row[1], int(row[3])) for row in lines("u.data", "\t", folder)]
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
        customer_features=users(space.customers, folder),
        product_features=films(space.products, folder),
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


def values(family: str, seed: int, side_features: bool, folder: Path = FOLDER) -> Any:
    """float64[customers who rated a hidden film] NDCG@10 of the family's defaults."""
    data, cold, truth = world(seed, folder)
    asked = truth.any(axis=1)
    estimator = catalog.build(family, {"side_features": side_features})
    scorer = estimator.fit(data, Run(seed=seed, validation=validation_split(data))).scorer
    scores = scorer.score(ask(data, data.space.customers.ids, data.customer_segment), cold.astype(np.int32))
    return ndcg(scores[asked], truth[asked], np.random.default_rng(seed))


def compare(family: str, seed: int, folder: Path = FOLDER) -> tuple[float, float, PairedDifference]:
    """Mean with features, mean without, and the difference."""
    have, lack = (values(family, seed, on, folder) for on in (True, False))
    return float(have.mean()), float(lack.mean()), paired_difference(have, lack)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="which films are hidden")
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for family, seed in itertools.product(given.families, given.seeds):
        have, lack, d = compare(family, seed, given.data)
        row = {"family": family, "seed": seed, "with": have, "without": lack, "difference": [d.mean, d.low, d.high]}
        rows.append(row)
        print(
            f"{'met    ' if d.low > 0 else 'NOT met'} {family}: NDCG@10 {have:.4f} with features, {lack:.4f} without; "
            f"difference {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}], {d.n} customers, films of seed {seed}",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
