"""One contender on the leave-one-out split of MovieLens-1M, without the pipeline around it.

    python benchmarks/ml1m.py DATA FAMILY '{"setting": value}' [--test]

Without --test two purchases of every customer are held out of the training file and HR@10 / NDCG@10 are the exact
expectation over 99 random negatives, so settings can be chosen without looking at the test.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from recsys.contract import Baskets, Catalogue, Dataset, Events, Features, Index, Queries, Run, Space
from recsys.models import catalog

Pairs = Any  # int64[n, 2] of (customer, product) rows


def read_train(folder: Path) -> tuple[Space, Pairs]:
    """The space of all ids and the training pairs."""
    with gzip.open(folder / "train.csv.gz", "rt") as file:
        _, *lines = file.read().split()
    raw = np.array([line.split(",")[:2] for line in lines], dtype=np.int64)
    test = read_test(folder)
    customers = Index.of(np.unique(raw[:, 0]))
    products = Index.of(np.unique(np.concatenate([raw[:, 1], test[:, 1:].ravel()])))
    return Space(customers, products), to_rows(raw, customers, products)


def read_test(folder: Path) -> Any:
    """int64[n, 101]: customer, the held-out product, 99 negatives (raw ids)."""
    with gzip.open(folder / "test.negative.tsv.gz", "rt") as file:
        rows = [line.split("\t") for line in file.read().splitlines()]
    pairs = [row[0].strip("()").split(",") for row in rows]
    return np.array([[*map(int, pair), *map(int, row[1:100])] for pair, row in zip(pairs, rows, strict=True)])


def to_rows(raw: Any, customers: Index, products: Index) -> Pairs:
    """Raw ids to row numbers, each distinct id looked up once."""
    columns = []
    for column, index in ((raw[:, 0], customers), (raw[:, 1], products)):
        ids, at = np.unique(column, return_inverse=True)
        columns.append(index.rows(ids)[at])
    return np.stack(columns, axis=1).astype(np.int64)


def dataset(space: Space, pairs: Pairs) -> Dataset:
    """One event per pair, one basket per customer, no time and no features."""
    u, m = len(space.customers), len(space.products)
    ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    start = np.concatenate([[0], np.cumsum(np.bincount(ordered[:, 0], minlength=u))]).astype(np.int64)
    n = len(ordered)
    events = Events(start, ordered[:, 1].astype(np.int32), np.zeros(n, np.int64), np.ones(n, np.float32), no_row(n))
    catalogue = Catalogue(text(m), no_row(m), text(m), np.full(m, np.nan, np.float32), np.ones(m, bool), text(m))
    rows = np.arange(u, dtype=np.int32)
    baskets = Baskets(events.csr(m), rows, no_row(u), np.zeros(u, np.int64))
    return Dataset(space, events, baskets, catalogue, Features.none(u), Features.none(m), no_row(u), as_of=1)


def no_row(n: int) -> Any:
    return np.full(n, -1, dtype=np.int32)


def text(n: int) -> Any:
    return np.array([""] * n, dtype=object)


def ask(data: Dataset) -> Queries:
    """Every customer with the whole training history."""
    u = len(data.space.customers)
    rows = np.arange(u, dtype=np.int32)
    return Queries(data.space, rows, data.events, None, Features.none(u), no_row(u), np.ones(u, dtype=np.int64))


def carve(pairs: Pairs, per_customer: int = 2, seed: int = 7) -> tuple[Pairs, Pairs]:
    """Train and validation pairs: `per_customer` random purchases of everybody held out."""
    rng = np.random.default_rng(seed)
    shuffled = pairs[rng.permutation(len(pairs))]
    shuffled = shuffled[np.argsort(shuffled[:, 0], kind="stable")]
    first = np.searchsorted(shuffled[:, 0], shuffled[:, 0])
    held = np.arange(len(shuffled)) - first < per_customer
    return shuffled[~held], shuffled[held]


def on_test(scores: Any, folder: Path, space: Space) -> dict[str, float]:
    """HR@10 and NDCG@10 among the given negatives; one that equals the positive is ignored."""
    raw = read_test(folder)
    customer = space.customers.rows(raw[:, 0])
    columns = np.stack([space.products.rows(column) for column in raw[:, 1:].T], axis=1)
    values = np.nan_to_num(scores[customer[:, None], columns], nan=-np.inf)
    other = columns[:, 1:] != columns[:, :1]
    rank = ((values[:, 1:] >= values[:, :1]) & other).sum(axis=1)  # a tie counts against the model, as published
    return {"hr": float((rank < 10).mean()), "ndcg": float(np.where(rank < 10, 1 / np.log2(rank + 2), 0).mean())}


def on_validation(scores: Any, seen: Any, held: Pairs) -> dict[str, float]:
    """The expectation of the same over 99 negatives drawn at random, plus recall@20 and NDCG@10 of the full ranking."""
    values = np.nan_to_num(scores, nan=-np.inf)
    values[seen.nonzero()] = -np.inf
    own = values[held[:, 0], held[:, 1]]
    rank = np.empty(len(held))
    candidates = np.empty(len(held), dtype=int)
    for at in range(0, len(held), 2000):
        block = values[held[at : at + 2000, 0]]
        mine = own[at : at + 2000, None]
        rank[at : at + 2000] = (block > mine).sum(axis=1) + ((block == mine).sum(axis=1) - 1) / 2
    candidates = values.shape[1] - np.asarray(seen.sum(axis=1)).ravel().astype(int)[held[:, 0]]
    whole = np.minimum(np.round(rank).astype(int), candidates - 1)
    sampled = stats.hypergeom.pmf(np.arange(10)[:, None], candidates - 1, whole, 99)
    gain = 1 / np.log2(np.arange(10) + 2)
    full = np.where(rank < 10, 1 / np.log2(rank + 2), 0)
    return {
        "hr": float(sampled.sum(axis=0).mean()),
        "ndcg": float((gain @ sampled).mean()),
        "r20": float((rank < 20).mean()),
        "n10": float(full.mean()),
    }


def judge(family: str, settings: dict[str, Any], folder: Path, test: bool = False, **run: Any) -> dict[str, Any]:
    """Fit on train (or train less the validation pairs) and report quality and CPU seconds."""
    space, pairs = read_train(folder)
    kept, held = (pairs, pairs[:0]) if test else carve(pairs)
    data = dataset(space, kept)
    started = time.process_time()
    fitted = catalog.build(family, settings).fit(data, Run(**run))
    fit_cpu = time.process_time() - started
    scores = fitted.scorer.score(ask(data))
    cpu = {"fit_cpu": fit_cpu, "score_cpu": time.process_time() - started - fit_cpu}
    quality = on_test(scores, folder, space) if test else on_validation(scores, data.events.seen(data.n_products), held)
    return {"family": family, **settings, **{k: round(v, 4) for k, v in {**quality, **cpu}.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("family")
    parser.add_argument("settings", nargs="*", default=["{}"], help="JSON, one per try")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--log", action="store_true", help="print what the fit logs")
    given = parser.parse_args()
    log = {"log": lambda step, **numbers: print(step, numbers, flush=True)} if given.log else {}
    for settings in given.settings:
        print(json.dumps(judge(given.family, json.loads(settings), given.folder, given.test, **log)), flush=True)


if __name__ == "__main__":
    main()
