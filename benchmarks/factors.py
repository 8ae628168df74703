"""Factors, seen products and held-out products for the ranking benchmarks: simulated, or ALS on MovieLens-1M."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from recsys.ranking.topk import blocks

BLOCK = 16 * 2**20  # bytes of scores per block: stays near the cores
Value = TypeVar("Value")


@dataclass(frozen=True)
class Work:
    """What every contestant is given."""

    customers: Any  # float32 [n, d]
    products: Any  # float32 [m, d]
    seen: Any  # csr [n, m]
    start: Any  # int64 [n+1]
    product: Any  # int32 [nnz] held out, none of it seen
    barred: Any  # bool [m]

    def save(self, path: Path) -> None:
        arrays = {name: getattr(self, name) for name in ("customers", "products", "start", "product", "barred")}
        np.savez(path, seen_start=self.seen.indptr, seen=self.seen.indices, **arrays)

    def each_block(self, do: Callable[[slice, Any], Value], threads: int) -> Iterator[Value]:
        """`do(rows, scores)` for every block of rows, on `threads` threads."""
        columns = np.ascontiguousarray(self.products.T)
        rows = list(blocks(len(self.customers), columns.shape[1], BLOCK))
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(lambda at: do(at, self.customers[at] @ columns), rows)


def simulate(n: int, m: int, depth: int, events: int, held_out: int, seed: int = 0) -> Work:
    """Random factors with a popularity term; each customer has seen and holds out products drawn by a power law."""
    rng = np.random.default_rng(seed)
    fame = rng.permutation((np.arange(m) + 20.0) ** -0.8)
    customers = rng.normal(size=(n, depth)).astype(np.float32)
    products = rng.normal(size=(m, depth)).astype(np.float32)
    customers[:, 0], products[:, 0] = 1, 4 * np.log(fame / fame.mean())
    drawn = rng.choice(m, (n, events + held_out), p=fame / fame.sum())
    truth, past = _ones(drawn[:, :held_out], m), _ones(drawn[:, held_out:], m)
    past = _ones_of(past - past.multiply(truth))
    return Work(customers, products, past, truth.indptr.astype(np.int64), truth.indices, rng.random(m) < 0.05)


def movielens(folder: Path, depth: int) -> Work:
    """The leave-one-out split of MovieLens-1M with factors of a short ALS fit."""
    from implicit.cpu.als import AlternatingLeastSquares

    with gzip.open(folder / "train.csv.gz", "rt") as file:
        pairs = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.int64)
    with gzip.open(folder / "test.rating.tsv.gz", "rt") as file:
        product = np.loadtxt(file, delimiter="\t", dtype=np.int64)[:, 1]
    n, m = len(product), int(max(pairs[:, 1].max(), product.max())) + 1
    seen = sparse.csr_matrix((np.ones(len(pairs), dtype=np.float32), pairs.T), shape=(n, m))
    model = AlternatingLeastSquares(factors=depth, iterations=5, random_state=0, num_threads=1)
    model.fit(seen, show_progress=False)
    start, barred = np.arange(n + 1), np.zeros(m, dtype=bool)
    return Work(model.user_factors, model.item_factors, seen, start, product.astype(np.int32), barred)


def _ones(drawn: Any, m: int) -> Any:
    """csr [n, m] of ones where a row drew a column at least once."""
    start = np.arange(len(drawn) + 1) * drawn.shape[1]
    return _ones_of(sparse.csr_matrix((np.ones(drawn.size, np.float32), drawn.ravel(), start), shape=(len(drawn), m)))


def _ones_of(rows: Any) -> Any:
    rows.sum_duplicates()
    rows.eliminate_zeros()
    rows.data = np.ones_like(rows.data)
    return rows
