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
    drawn = [np.unique(rng.choice(m, events + held_out, p=fame / fame.sum())) for _ in range(n)]
    drawn = [rng.permutation(row) for row in drawn]
    truth = [row[:held_out] for row in drawn]
    past = [np.sort(row[held_out:]) for row in drawn]
    start = np.cumsum([0] + [len(row) for row in truth])
    return Work(
        customers, products, _rows(past, m), start, np.concatenate(truth).astype(np.int32), rng.random(m) < 0.05
    )


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


def _rows(rows: list[Any], m: int) -> Any:
    start = np.cumsum([0] + [len(row) for row in rows])
    return sparse.csr_matrix((np.ones(start[-1], np.float32), np.concatenate(rows), start), shape=(len(rows), m))
