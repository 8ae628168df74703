"""S1: exact top-100 of 10,000 customers x 20,000 products, d=64, without seen and unavailable products.
S2: the same for 200,000 customers to Parquet, in a process of its own, with its peak memory.

    .venv/bin/python -m benchmarks.topk [--threads 1] [--s2] [--json OUT]

RecTools and faiss run in .venv-bench-rectools (benchmarks/peers.sh) and are left out where it is absent. faiss knows no
mask per row, so it is compared with our own top-100 without masks.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.factors import BLOCK, Work, simulate
from benchmarks.sidebyside import PEERS, ROOT, Case, Goal, Peer, measure, pin_blas, report, timed
from recsys.ranking.topk import blocks, top_k

AT, DEPTH, PRODUCTS = 100, 64, 20_000
OURS, UNMASKED, PRODUCT = "recsys: top_k, both masks", "recsys: top_k, no masks", "score product alone"
IMPLICIT = ("implicit.recommend, filter_items", "implicit.recommend, items")


def main() -> None:
    pin_blas()
    options = _options()
    if options.write:
        print(json.dumps(write(options.write, options.customers, options.threads)))
        return
    found = compare(options.threads, options.repeats)
    if options.s2:
        found["s2"] = to_parquet(found["seconds"][OURS][0] / 10_000, options.threads)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def compare(threads: int, repeats: int) -> dict[str, Any]:
    """Check that the lists are equal, then time everybody."""
    work = simulate(10_000, PRODUCTS, DEPTH, events=100, held_out=1)
    with tempfile.TemporaryDirectory() as folder:
        work.save(Path(folder) / "work.npz")
        peer = Peer("peer.py", Path(folder) / "work.npz", threads) if PEERS.exists() else None
        theirs = {name: implicit_lists(work, threads, name) for name in IMPLICIT}
        cases: dict[str, Case] = {
            PRODUCT: timed(lambda: product(work, threads)),
            OURS: timed(lambda: ours(work, threads)),
            UNMASKED: timed(lambda: ours(work, threads, masks=False)),
        }
        cases |= {name: timed(run) for name, run in theirs.items()}
        if peer:
            versions = peer.ask("versions")
            cases |= {"RecTools ImplicitRanker": peer.case("rectools_lists"), "faiss flat": peer.case("faiss_lists")}
        equal = np.mean(np.sort(ours(work, threads)) == np.sort(theirs[IMPLICIT[0]]()))
        found = measure(cases, repeats)
        if peer:
            peer.close()
    print(f"\nplaces where recsys and implicit list the same products: {equal:.4%} (the rest: rounding of the product)")
    goals = [
        Goal("of implicit.recommend with its own filter", OURS, IMPLICIT, 0.75),
        Goal("of the product alone, no masks", UNMASKED, (PRODUCT,), 1.6),
    ]
    if peer:
        goals.append(Goal("of faiss flat, no masks", UNMASKED, ("faiss flat",), 1.0))
    title = f"S1 top-100, 10,000 x 20,000, d=64, {threads} thread(s)"
    return report(title, found, goals) | {"versions": versions if peer else {}, "equal": float(equal)}


def product(work: Work, threads: int) -> None:
    for _ in work.each_block(lambda rows, scores: None, threads):
        pass


def ours(work: Work, threads: int, masks: bool = True) -> Any:
    def select(rows: slice, scores: Any) -> Any:
        if masks:
            return top_k(scores, AT, seen=work.seen[rows], barred=work.barred)[0]
        return top_k(scores, AT)[0]

    return np.concatenate(list(work.each_block(select, threads)))


def implicit_lists(work: Work, threads: int, name: str) -> Any:
    """A call of implicit's recommend with the barred products left out, or only the others let in."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=DEPTH, num_threads=threads)
    model.user_factors, model.item_factors = work.customers, work.products
    customers = np.arange(len(work.customers))
    if name == IMPLICIT[0]:
        masks: dict[str, Any] = {"filter_items": np.flatnonzero(work.barred)}
    else:
        masks = {"items": np.flatnonzero(~work.barred)}
    return lambda: model.recommend(customers, work.seen, N=AT, **masks)[0]


def to_parquet(per_customer: float, threads: int) -> dict[str, Any]:
    """Run S2 and compare it with S1's seconds per customer."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.topk", "--write", f"{folder}/lists.parquet", "--threads"]
        answer = subprocess.run([*command, str(threads)], cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    slower = found["wall"] / found["customers"] / per_customer
    print(f"\nS2 {found['customers']:,} customers to Parquet: {found['wall']:.1f} s, {found['bytes'] / 2**20:.0f} MiB")
    print(f"{'met   ' if slower <= 1.25 else 'NOT met'} per customer: {slower:.2f} x S1, goal 1.25")
    print(f"{'met   ' if found['peak'] <= 1.5 else 'NOT met'} peak memory: {found['peak']:.2f} GiB, goal 1.5")
    return found | {"times_s1": slower}


def write(out: Path, n: int, threads: int) -> dict[str, Any]:
    """Top-100 lists of n customers as one row each (customer, products, scores), written block by block."""
    import pyarrow as pa
    from pyarrow import parquet

    work = simulate(n, PRODUCTS, DEPTH, events=45, held_out=1)
    schema = pa.schema(
        [("customer", pa.int32()), ("products", pa.list_(pa.int32(), AT)), ("scores", pa.list_(pa.float32(), AT))]
    )
    first = next(blocks(n, PRODUCTS, BLOCK))
    top_k(work.customers[first] @ work.products.T, AT, seen=work.seen[first], barred=work.barred)  # compile
    began = time.perf_counter()

    def select(rows: slice, scores: Any) -> Any:
        columns, values = top_k(scores, AT, seen=work.seen[rows], barred=work.barred)
        lists = [pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), AT) for part in (columns, values)]
        return pa.record_batch([pa.array(np.arange(rows.start, rows.stop, dtype=np.int32)), *lists], schema=schema)

    with parquet.ParquetWriter(out, schema, compression="lz4", use_dictionary=False) as file:
        for batch in work.each_block(select, threads):
            file.write_batch(batch)
    wall = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    return {"customers": n, "wall": wall, "peak": peak, "bytes": out.stat().st_size}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--s2", action="store_true")
    parser.add_argument("--customers", type=int, default=200_000, help="of S2")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
