"""One night on LINES simulated order lines, stage by stage: wall, CPU, peak memory, bytes. Behind docs/scale.md.

    python benchmarks/scale.py 1_000_000 /tmp/scale-1m [--contenders popularity_28d,item_neighbours,als]

Every stage runs in a process of its own, so that its peak memory is its own. Lines follow the shape of a marketplace:
20 lines per customer and year, popularity with a heavy tail, tastes by group, 365 days. Same LINES, same file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

DAYS, PER_CUSTOMER, GROUPS, START = 365, 20, 20, 1_672_531_200
CONFIG = """
runtime = "run"
[shop]
name = "scale"
[orders]
path = "orders.parquet"
time_format = "epoch_s"
[tracking]
url = "http://127.0.0.1:9"
[contest]
bar = ["popularity_28d"]
[publishing]
active_days = 365
[night]
fit_seconds = 3600
fit_memory_mb = 14000
[contenders.popularity_28d]
family = "popularity"
window_days = 28
[contenders.item_neighbours]
family = "item_neighbours"
[contenders.als]
family = "als"
dimension = 64
[contenders.lightfm]
family = "lightfm"
epochs = 5
"""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("lines", type=int)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--contenders", default="popularity_28d,item_neighbours,als")
    ask.add_argument("--stages", default="ingest,prepare,backtest,fit,publish", help="the first so many of them")
    ask.add_argument("--stage", default="", help=argparse.SUPPRESS)
    chosen = ask.parse_args()
    if chosen.stage:
        print(json.dumps(stage(chosen.stage, chosen.folder, chosen.contenders.split(","))))
        return
    chosen.folder.mkdir(parents=True, exist_ok=True)
    (chosen.folder / "recsys.toml").write_text(CONFIG)
    make_orders(chosen.lines, chosen.folder / "orders.parquet")
    for name in chosen.stages.split(","):
        command = [sys.executable, __file__, str(chosen.lines), str(chosen.folder), "--stage", name]
        done = subprocess.run(
            [*command, "--contenders", chosen.contenders], capture_output=True, text=True, check=False
        )
        print(done.stdout.splitlines()[-1] if done.returncode == 0 else done.stderr[-2000:], flush=True)
        if done.returncode:
            sys.exit(1)


def make_orders(n: int, file: Path) -> None:
    """n order lines: customers and products with a heavy tail, three of four purchases within the customer's group."""
    import polars as pl

    if file.exists():
        return
    rng = np.random.default_rng(0)
    customers, products = max(n // PER_CUSTOMER, 100), int(min(100_000, 20 * n**0.5))
    who = np.minimum((customers * rng.random(n) ** 1.5).astype(np.int64), customers - 1)
    group = np.where(rng.random(n) < 0.75, who % GROUPS, rng.integers(0, GROUPS, n))
    rank = np.minimum((products // GROUPS * rng.random(n) ** 2.5).astype(np.int64), products // GROUPS - 1)
    time_ = START + rng.integers(0, DAYS * 86_400, n)
    frame = pl.DataFrame(
        {
            "order": np.arange(n),
            "customer": who,
            "product": rank * GROUPS + group,
            "quantity": rng.integers(1, 3, n),
            "price": np.round(5 + 20 * rng.random(n), 2),
            "time": time_,
            "segment": who % 6,
        }
    ).sort("time")
    text = {"order": "o", "customer": "c", "product": "p", "segment": "s"}
    ids = [pl.lit(prefix) + pl.col(name).cast(pl.String).str.zfill(8) for name, prefix in text.items()]
    frame.with_columns(*(e.alias(name) for e, name in zip(ids, text, strict=True))).write_parquet(file)


def stage(name: str, folder: Path, contenders: list[str]) -> dict[str, Any]:
    """Run one stage from what the last one left; returns what it cost."""
    from recsys import steps

    file = folder / "state.json"
    state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    if name == "ingest":
        state = {"night": steps.start_night({"config": str(folder / "recsys.toml"), "contenders": contenders})}
    began, cpu = time.monotonic(), os.times()
    night, extra = state["night"], {}
    if name in ("ingest", "prepare"):
        state["night"] = getattr(steps, name)(night)
    elif name in ("backtest", "fit"):
        state[name] = [getattr(steps, name)(night, contender) for contender in contenders]
        extra = {r["name"]: {k: round(r[k], 1) for k in ("fit_seconds", "peak_memory_mb")} for r in state[name]}
        extra["status"] = {r["name"]: f"{r['status']} {r.get('reason', '')}".strip() for r in state[name]}
    else:
        decision = steps.decide(night, state["backtest"], {"status": "none"})
        extra = {
            "champion": decision["champion"],
            "publication": steps.publish(night, decision, state["fit"])["generation"],
        }
    file.write_text(json.dumps(state))
    spent = [after - before for after, before in zip(os.times(), cpu, strict=True)]
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    size = sum(f.stat().st_size for f in (folder / "run").rglob("*") if f.is_file()) if (folder / "run").exists() else 0
    return {
        "stage": name,
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(sum(spent[:4]), 1),
        "peak_mb": round(peak / 1024),
        "lake_mb": round(size / 2**20),
        **extra,
    }


if __name__ == "__main__":
    main()
