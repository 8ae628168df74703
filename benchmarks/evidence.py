"""E3: `recsys ope` on ten million exposures in a file: wall, CPU and peak memory of the whole command.

    .venv/bin/python -m benchmarks.evidence [--rows 10000000] [--json OUT]

The log is drawn with a known truth; the run fails when an interval misses it or the peak passes 2 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ARMS, CHUNK, LIMIT = 50, 500_000, 2.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.parquet"
        truth = draw(log, asked.rows)
        for path in (log, as_csv(log)):
            reports.append(measure(path, truth))
            print(json.dumps(reports[-1]))
    if asked.json:
        asked.json.write_text(json.dumps(reports, indent=1))
    if not all(r["covered"] and r["peak_gib"] < LIMIT for r in reports):
        sys.exit("E3 failed")


def draw(path: Path, rows: int) -> float:
    """Write a log of a softmax policy over ARMS products; returns the value of the uniform target."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    click, chance = rng.uniform(0.02, 0.10, ARMS), np.exp(0.5 * rng.normal(size=ARMS))
    chance /= chance.sum()
    writer = None
    for first in range(0, rows, CHUNK):
        n = min(CHUNK, rows - first)
        arm = rng.choice(ARMS, n, p=chance)
        columns = {
            "visitor": np.char.add("v", rng.integers(0, max(rows // 3, 1), n).astype(str)),
            "product": np.char.add("p", arm.astype(str)),
            "propensity": chance[arm],
            "outcome": (rng.random(n) < click[arm]).astype(np.int8),
        }
        table = pa.table({name: pa.array(values.tolist()) for name, values in columns.items()})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return float(click.mean())


def as_csv(path: Path) -> Path:
    import polars as pl

    pl.scan_parquet(path).sink_csv(path.with_suffix(".csv"))
    return path.with_suffix(".csv")


def measure(path: Path, truth: float) -> dict[str, object]:
    """Run the command in a process of its own; the peak is that of the process."""
    out = path.with_name("out.json")
    code = (
        "import sys, resource; from recsys.cli import main; sys.argv = ['recsys', *sys.argv[1:]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    words = ["ope", str(path), "--policy", "uniform", "--json", str(out)]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(out.read_text())["exposures"]
    inside = [e["low"] <= truth <= e["high"] for e in found["estimates"] if e["method"] in ("ips", "snips", "dr")]
    return {
        "file": path.suffix,
        "rows": found["diagnostics"]["n"],
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_gib": round(int(done.stderr.split()[-1]) / 2**20, 2),
        "covered": all(inside),
    }


if __name__ == "__main__":
    main()
