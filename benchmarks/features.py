"""F1: what a night learns from, made of ten million order lines in the lake, against bare Polars and pandas.

    python -m benchmarks.features [--rows 1e7] [--repeats 3] [--folder F] [--json OUT]

Two tables are made from the lake's Parquet files, day by day as the ingest leaves them: sales (one row per order and
product: units, revenue, time, day, sorted) and the products' last known title, category, seller and price. Ours are
`dataset.sales_until` and `dataset.last_known`, digests checked and returns taken back; the peers do the same work
without either. Every run is a process of its own; peak memory is its own high-water mark. Checks must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DAYS, FIRST, CUSTOMERS, PRODUCTS = 365, 19_000, 200_000, 20_000
LAST = FIRST + DAYS
KEYS = ["order", "customer", "product", "segment", "seller"]
KNOWN = ["title", "category", "seller", "price", "day"]
GOALS = (("wall", "polars", 1.15), ("peak", "polars", 1.15), ("peak", "pandas", 0.65))


def generate(rows: int, folder: str, seed: int = 0) -> None:
    """Order lines in a lake: power-law customers and products, 1.7 lines an order."""
    import polars as pl

    from recsys.data.ingest import day_name
    from recsys.data.lake import Lake

    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(FIRST, LAST, rows)).astype(np.int32)
    begins = (rng.random(rows) < 0.6) | (np.diff(days, prepend=days[:1] - 1) > 0)
    order = np.cumsum(begins) - 1
    customer = (CUSTOMERS * rng.random(order[-1] + 1) ** 2).astype(np.int64)
    segment, second = rng.integers(0, 12, len(customer)), rng.integers(0, 86_400, len(customer))
    product, price = (PRODUCTS * rng.random(rows) ** 3).astype(np.int64), np.round(rng.lognormal(2, 0.6, PRODUCTS), 2)

    def text(prefix: str, values: Any) -> Any:
        return prefix + pl.Series(values).cast(pl.String)

    lake, files = Lake(folder), []
    for day in range(FIRST, LAST):
        some = slice(*np.searchsorted(days, [day, day + 1]))
        of, sold, n = order[some], product[some], some.stop - some.start
        columns = {
            "order": text("o", of), "line": pl.Series([None] * n, dtype=pl.String), "customer": text("c", customer[of]),
            "product": text("p", sold), "seller": ["s"] * n, "segment": text("r", segment[of]),
            "quantity": rng.integers(1, 4, n).astype(float), "price": price[sold], "time": day * 86_400 + second[of],
            "title": text("title ", sold), "category": text("kind ", sold % 50), "day": np.full(n, day, np.int32),
            "kind": ["sale"] * n, "source": ["f"] * n, "source_line": np.arange(n),
        }  # fmt: skip
        files.append(
            lake.put_frame(f"orders/day={day_name(day)}/f.parquet", pl.DataFrame(columns)).json() | {"day": day}
        )
    lake.put_json("ingests/orders-f.json", {"report": {}, "number": 0, "files": files})


def ours(folder: str) -> tuple[Any, Any]:
    from recsys.data.dataset import last_known, sales_until
    from recsys.data.ingest import lake_orders
    from recsys.data.lake import Lake

    lines = lake_orders(Lake(folder), LAST)
    return sales_until(lines, LAST), last_known(lines, LAST)


def polars(folder: str) -> tuple[Any, Any]:
    import polars as pl

    lines = pl.scan_parquet(f"{folder}/orders/*/*.parquet", hive_partitioning=False)
    sold = lines.filter(pl.col("kind") == "sale", pl.col("quantity") > 0, pl.col("price") > 0)
    sales = (
        sold.with_columns(revenue=pl.col("quantity") * pl.col("price"))
        .group_by(KEYS)
        .agg(
            units=pl.col("quantity").sum(),
            revenue=pl.col("revenue").sum(),
            time=pl.col("time").min(),
            day=pl.col("day").min(),
        )
        .sort("time", *KEYS)
        .collect(engine="streaming")
    )
    known = sold.group_by("product").agg(pl.col(c).sort_by("time").last() for c in KNOWN)
    return sales, known.sort("product").collect(engine="streaming")


def pandas(folder: str) -> tuple[Any, Any]:
    import pandas as pd

    columns = [*KEYS, "quantity", "price", "time", "day", "kind", "title", "category"]
    files = sorted(Path(folder).glob("orders/*/*.parquet"))
    lines = pd.concat([pd.read_parquet(f, columns=columns) for f in files], ignore_index=True)
    sold = lines[(lines["kind"] == "sale") & (lines["quantity"] > 0) & (lines["price"] > 0)]
    sold = sold.assign(revenue=sold["quantity"] * sold["price"])
    grouped = sold.groupby(KEYS, sort=False, dropna=False)
    sales = grouped.agg(units=("quantity", "sum"), revenue=("revenue", "sum"), time=("time", "min"), day=("day", "min"))
    known = sold.sort_values("time", kind="stable").groupby("product")[KNOWN].last()
    return sales.reset_index().sort_values(["time", *KEYS]), known.reset_index()


CASES: dict[str, Callable[[str], tuple[Any, Any]]] = {"ours": ours, "polars": polars, "pandas": pandas}


def run_case(name: str, folder: str) -> dict[str, Any]:
    """One engine in this process: seconds, peak MiB and what was made."""
    wall, cpu = time.perf_counter(), time.process_time()
    sales, known = CASES[name](folder)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    checks = [len(sales), float(sales["units"].sum()), round(float(sales["revenue"].sum()), 2), len(known)]
    return {**took, "peak": peak, "checks": [*checks, round(float(known["price"].sum()), 2)]}


def spawn(name: str, folder: str) -> dict[str, Any]:
    threads = {k: "2" for k in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")}
    command = [sys.executable, "-m", "benchmarks.features", "--case", name, "--folder", folder]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | threads).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def compare(folder: str, repeats: int) -> dict[str, Any]:
    """Medians per engine over rounds of all engines in turn, and the goals as medians of ratios within a round."""
    rounds = [{name: spawn(name, folder) for name in CASES} for _ in range(repeats)]
    checks = {json.dumps(turn[name]["checks"]) for turn in rounds for name in CASES}
    medians = {
        name: {k: float(np.median([turn[name][k] for turn in rounds])) for k in ("wall", "cpu", "peak")}
        for name in CASES
    }
    goals = []
    for kind, peer, most in GOALS:
        ratio, cpu = (float(np.median([turn["ours"][k] / turn[peer][k] for turn in rounds])) for k in (kind, "cpu"))
        goals.append({"goal": f"{kind} against {peer}", "most": most, "ratio": ratio, "cpu": cpu, "met": ratio <= most})
    return {"medians": medians, "goals": goals, "equal": len(checks) == 1, "checks": sorted(checks)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e7)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="keep the lake there, and use the one that is there")
    parser.add_argument("--case", choices=list(CASES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(run_case(given.case, given.folder)))
        return
    from benchmarks.sidebyside import machine

    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or scratch
        if not (Path(folder) / "ingests").exists():
            generate(int(given.rows), folder)
        found = compare(folder, given.repeats) | {"machine": machine(), "rows": int(given.rows)}
    for name, row in found["medians"].items():
        print(f"{name:<8} {row['wall']:7.1f} s  {row['cpu']:7.1f} s CPU  {row['peak']:8,.0f} MiB")
    for goal in found["goals"]:
        told = "met    " if goal["met"] else "NOT met"
        print(f"{told} {goal['goal']}: {goal['ratio']:.2f} (CPU {goal['cpu']:.2f}), goal {goal['most']}")
    print("all made the same tables" if found["equal"] else f"tables DIFFER: {found['checks']}", "|", found["machine"])
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
