"""Every learned family with no settings at all, on data nobody tuned them on, beside the bar of each set.

    .venv/bin/python -m benchmarks.defaults [--sets online_retail ml-100k ml-1m] [--families NAMES] [--json OUT]

online_retail: the packaged orders, last 28 days held out, new products and repeats; the bar is the better of windowed
popularity and, with repeats, buy_again. ml-100k: the official split ua.base / ua.test, all items; the bar is
popularity. Both show NDCG@10 and the paired difference to the bar with its 95 % interval over customers.
ml-1m: the defaults against benchmarks/settings/ml-1m.toml on rows hidden from the training file; goal for the closed
forms, ALS and neighbours: within 5 % of the tuned NDCG@10.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ml1m import judge
from benchmarks.sidebyside import ROOT
from recsys import config, steps
from recsys.contest.backtest import barred_products
from recsys.contest.measure import Exam, answer, exams
from recsys.contract import F64, Dataset, Run, Scorer
from recsys.data.lake import Lake, ref_from
from recsys.data.pairs import own_split
from recsys.data.split import HeldOut, validation_split
from recsys.evaluation.metrics import RANK_METRICS
from recsys.evaluation.significance import paired_difference
from recsys.models import catalog

SHARED = ROOT.parent / "shared" / "data"
CLOSE = ("item_neighbours", "user_neighbours", "ease", "als")
LEARNED = {
    **{name: (name, {}) for name in (*CLOSE, "factorization_machine", "two_tower")},
    **{f"lightfm_{loss}": ("lightfm", {"loss": loss}) for loss in ("warp", "warp-kos", "bpr", "logistic")},
}
BARS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "online_retail, new": {"popularity_28d": ("popularity", {"window_days": 28})},
    "online_retail, repeats": {
        "popularity_28d": ("popularity", {"window_days": 28}),
        "buy_again": ("buy_again", {}),
    },
    "ml-100k": {"popularity": ("popularity", {})},
}
Row = dict[str, Any]


def online_retail() -> tuple[Dataset, dict[str, Exam], Scorer]:
    """The past, its exams, and who answers for a scorer without an opinion, as a backtest has them."""
    with tempfile.TemporaryDirectory() as folder:
        shop = ROOT / "shops" / "online_retail" / "recsys.toml"
        night = steps.start_night({"config": str(shop), "lake": folder, "contenders": ["popularity"]})
        night = steps.prepare(steps.ingest(night))
        data = Lake(folder).read_value(Dataset, ref_from(night["train"]))
        held = Lake(folder).read_value(HeldOut, ref_from(night["held"]))
    asked = exams(held, barred_products(data))
    fallback = catalog.build("popularity", {"window_days": 28}).fit(data, Run()).scorer
    return data, {f"online_retail, {track}": asked[track] for track in ("new", "repeats")}, fallback


def ml_100k() -> tuple[Dataset, dict[str, Exam], Scorer]:
    """The official split; ratings are purchases."""
    split = own_split(str(SHARED / "ml-100k" / "ua.base.gz"), str(SHARED / "ml-100k" / "ua.test.gz"))
    seen = split.queries.history.seen(split.train.n_products)
    fallback = catalog.build("popularity", {}).fit(split.train, Run()).scorer
    return split.train, {"ml-100k": Exam(split.queries, split.truth, seen, None)}, fallback


def beside_the_bar(
    world: tuple[Dataset, Mapping[str, Exam], Scorer], entered: Mapping[str, tuple[str, dict[str, Any]]]
) -> Iterator[Row]:
    """One row per contender and exam."""
    data, asked, fallback = world
    validation = validation_split(data)
    bars = {name: max_bar(data, name, exam, fallback) for name, exam in asked.items()}
    for name, (family, settings) in entered.items():
        began = time.process_time()
        scorer = catalog.build(family, settings).fit(data, Run(validation=validation)).scorer
        cpu = time.process_time() - began
        for of, exam in asked.items():
            bar, least = bars[of]
            own = gains(scorer, exam, fallback)
            d = paired_difference(own, least)
            row = {"set": of, "name": name, "ndcg": float(np.nanmean(own)), "bar": bar, "bar_ndcg": np.nanmean(least)}
            yield row | {"difference": [d.mean, d.low, d.high], "above": d.low > 0, "fit_cpu": round(cpu, 1)}


def max_bar(data: Dataset, of: str, exam: Exam, fallback: Scorer) -> tuple[str, F64]:
    """The better of the plain contenders that are the bar of this set."""
    values = {n: gains(catalog.build(f, s).fit(data, Run()).scorer, exam, fallback) for n, (f, s) in BARS[of].items()}
    best = max(values, key=lambda name: float(np.nanmean(values[name])))
    return best, values[best]


def gains(scorer: Scorer, exam: Exam, fallback: Scorer) -> F64:
    """NDCG@10 per query."""
    ranks = answer(scorer, exam, 10, fallback).ranks
    found: F64 = RANK_METRICS["ndcg"](ranks, exam.truth.start, 10)
    return found


def ml_1m(families: Sequence[str]) -> Iterator[Row]:
    """Defaults against tuned settings, both fitted without two purchases of everybody and judged on those."""
    tuned = config.load(str(ROOT / "benchmarks" / "settings" / "ml-1m.toml")).contenders
    for name in families:
        own = {who: judge(name, s, SHARED / "ml-1m-ncf") for who, s in (("d", {}), ("t", dict(tuned[name].settings)))}
        share = own["d"]["ndcg"] / own["t"]["ndcg"]
        yield {"set": "ml-1m", "name": name, "ndcg": own["d"]["ndcg"], "tuned_ndcg": own["t"]["ndcg"], "share": share}


def told(row: Row) -> str:
    if "share" in row:
        verdict = "met    " if row["share"] >= 0.95 else "NOT met"
        return (
            f"{verdict} ml-1m {row['name']}: {row['ndcg']:.4f}, {row['share']:.1%} of the tuned {row['tuned_ndcg']:.4f}"
        )
    mean, low, high = row["difference"]
    return (
        f"{'above  ' if row['above'] else 'NOT    '} {row['set']} {row['name']}: {row['ndcg']:.4f} "
        f"against {row['bar']} {row['bar_ndcg']:.4f}, {mean:+.4f} [{low:+.4f}, {high:+.4f}], fit {row['fit_cpu']} CPU s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=["online_retail", "ml-100k", "ml-1m"])
    parser.add_argument("--families", nargs="*", default=list(LEARNED))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    entered = {name: LEARNED[name] for name in given.families}
    rows: list[Row] = []
    for name, world in (("online_retail", online_retail), ("ml-100k", ml_100k)):
        for row in beside_the_bar(world(), entered) if name in given.sets else ():
            rows.append(row)
            print(told(row), flush=True)
    for row in ml_1m([f for f in CLOSE if f in entered]) if "ml-1m" in given.sets else ():
        rows.append(row)
        print(told(row), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1, default=float))


if __name__ == "__main__":
    main()
