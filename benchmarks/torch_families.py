"""X1: one epoch of the two-tower model and the factorization machine on ten million simulated purchases.

    python -m benchmarks.torch_families [--purchases N] [--customers N] [--products N] [--threads N] [--json OUT]

Activity of customers and popularity of products follow power laws. Goals: an epoch within 10 minutes on 2 cores, the
process within 4 GiB. Each family runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from recsys.contest.child import peak_memory_mb
from recsys.contract import Baskets, Catalogue, Dataset, Events, Features, Index, Run, Space, stack_rows
from recsys.models import catalog

FAMILIES = ("two_tower", "factorization_machine")
MOST_SECONDS, MOST_MB = 600, 4096


def world(purchases: int, customers: int, products: int, seed: int = 0) -> Dataset:
    """Purchases drawn customer by customer; a repeated pair counts once for the models, so a few are lost."""
    rng = np.random.default_rng(seed)
    owner = np.sort(draw(customers, purchases, 0.6, rng))
    product = draw(products, purchases, 0.8, rng)
    order = np.lexsort((product, owner))
    owner, product = owner[order], product[order]
    start = np.searchsorted(owner, np.arange(customers + 1)).astype(np.int64)
    n = len(owner)
    nowhere = np.full(n, -1, dtype=np.int32)
    events = Events(start, product, np.zeros(n, np.int64), np.ones(n, np.float32), nowhere)
    blank, no_row = np.full(products, "", dtype=object), np.full(products, -1, np.int32)
    price = np.full(products, np.nan, np.float32)
    return Dataset(
        space=Space(names("c", customers), names("p", products)),
        events=events,
        baskets=Baskets(stack_rows([]).csr(products), nowhere[:0], nowhere[:0], np.zeros(0, np.int64)),
        catalogue=Catalogue(blank, no_row, blank, price, np.ones(products, bool)),
        customer_features=Features.none(customers),
        product_features=Features.none(products),
        customer_segment=np.full(customers, -1, np.int32),
        as_of=1,
    )


def draw(kinds: int, n: int, power: float, rng: np.random.Generator) -> Any:
    """int32[n] of `kinds`, the k-th as likely as k^-power, in an order that says nothing."""
    chance = np.arange(1, kinds + 1) ** -power
    edges = np.cumsum(chance / chance.sum())
    drawn = np.minimum(np.searchsorted(edges, rng.random(n)), kinds - 1)
    return rng.permutation(kinds).astype(np.int32)[drawn]


def names(prefix: str, n: int) -> Index:
    return Index(np.array([f"{prefix}{i:07d}" for i in range(n)], dtype=object))


def one_epoch(family: str, given: argparse.Namespace) -> dict[str, Any]:
    """Fit for one epoch; seconds hold the whole fit: data in torch's form, the epoch, the scorer folded."""
    data = world(given.purchases, given.customers, given.products)
    wall, cpu = time.perf_counter(), time.process_time()
    report = catalog.build(family, {"epochs": 1, "dimension": given.dimension}).fit(data, Run()).report
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "family": family,
        "purchases": len(data.events.product),
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "examples_per_second": round(len(data.events.product) / wall),
        "examples_per_cpu_second": round(len(data.events.product) / cpu),
        "peak_mb": round(peak_memory_mb()),
        "device": report["device"],
        "loss": report["losses"][0],
    }


def told(found: dict[str, Any]) -> str:
    goals = (("seconds", found["wall_seconds"], MOST_SECONDS), ("MB", found["peak_mb"], MOST_MB))
    verdicts = [f"{'met' if value <= most else 'NOT met'}: {value:,} of {most:,} {unit}" for unit, value, most in goals]
    return f"{found['family']}: {found['examples_per_second']:,} purchases a second on {found['device']}; " + "; ".join(
        verdicts
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--purchases", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=FAMILIES, help="this family, in this process, as one JSON line")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(one_epoch(given.only, given)))
        return
    threads = {name: str(given.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    results = []
    for family in FAMILIES:
        command = [sys.executable, "-m", "benchmarks.torch_families", *sys.argv[1:], "--only", family]
        run = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=True)
        results.append(json.loads(run.stdout.splitlines()[-1]))
        print(told(results[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
