"""T1, T2, T3: what our fits cost beside the library inside them, MovieLens-1M, or RecTools' EASE.

    .venv/bin/python -m benchmarks.fits [--only T1 T2 T3] [--repeats N] [--json OUT]

T1: ALS of 5 sweeps on two threads, d = 192 and 256; ours runs with BLAS threads as the machine has them, the bare
library with the one BLAS thread it asks for. T2: LightFM WARP, d = 64, one thread, 3 epochs. T3: EASE; RecTools runs
in .venv-bench-rectools (benchmarks/peers.sh), is given its Dataset ready made, and its weights must equal ours to 1e-6.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ml1m import dataset, read_train
from benchmarks.sidebyside import ROOT, Case, Goal, Peer, Timing, measure, report, timed
from recsys.contract import Dataset, Run
from recsys.models import catalog
from recsys.models.guard import one_blas_thread

SWEEPS, EPOCHS, RIDGE = 5, 3, 1000.0
ALS = {"regularisation": 80.0, "alpha": 8.0, "sweeps": SWEEPS, "threads": 2}
Found = Mapping[str, list[Timing]]


def als(data: Dataset, repeats: int) -> dict[str, Any]:
    from implicit.cpu.als import AlternatingLeastSquares

    x = data.events.seen(data.n_products)

    def bare(dimension: int) -> None:
        with one_blas_thread():
            model = AlternatingLeastSquares(
                factors=dimension, regularization=80.0, alpha=8.0, iterations=SWEEPS, num_threads=2, random_state=0
            )
            model.fit(x, show_progress=False)

    cases: dict[str, Case] = {}
    for d in (192, 256):
        cases[f"recsys d={d}"] = timed(fitting(data, "als", ALS | {"dimension": d}))
        cases[f"implicit d={d}"] = timed(lambda d=d: bare(d))  # type: ignore[misc]
    goals = [Goal(f"of implicit, d={d}", f"recsys d={d}", (f"implicit d={d}",), 1.10) for d in (192, 256)]
    goals.append(Goal("d=256 of d=192: no cliff", "recsys d=256", ("recsys d=192",), 1.5))
    return report(f"T1 ALS, {SWEEPS} sweeps, 2 threads", measure(cases, repeats), goals)


def lightfm(data: Dataset, repeats: int) -> dict[str, Any]:
    from lightfm import LightFM

    x = data.events.seen(data.n_products).tocoo()

    def bare() -> None:
        decay = {"item_alpha": 1e-5, "user_alpha": 1e-5}
        model = LightFM(no_components=64, loss="warp", max_sampled=30, random_state=0, **decay)
        model.fit_partial(x, epochs=EPOCHS, num_threads=1)

    settings = {"loss": "warp", "dimension": 64, "epochs": EPOCHS}
    cases = {"recsys": timed(fitting(data, "lightfm", settings)), "lightfm": timed(bare)}
    goals = [Goal("of bare LightFM", "recsys", ("lightfm",), 1.10)]
    return report(f"T2 LightFM WARP, {EPOCHS} epochs, 1 thread", measure(cases, repeats), goals)


def ease(data: Dataset, repeats: int) -> dict[str, Any]:
    settings = {"regularisation": RIDGE, "half_life_days": None}
    with tempfile.TemporaryDirectory() as folder, rectools(data, Path(folder)) as peer:
        cases = {"recsys": timed(fitting(data, "ease", settings)), "RecTools": peer.case("fit")}
        found = measure(cases, repeats)
        theirs = np.load(Path(folder) / "weights.npy")
    scorer: Any = catalog.build("ease", settings).fit(data, Run()).scorer
    sold = np.unique(data.events.product)  # RecTools knows no others
    apart = float(np.abs(scorer.dense[np.ix_(sold, sold)] - theirs).max())
    told = report("T3 EASE, 1 thread", found, [Goal("of RecTools", "recsys", ("RecTools",), 0.9)])
    print(f"{'met    ' if apart <= 1e-6 else 'NOT met'} weights equal: {apart:.1e} at most; goal 1e-6")
    return told | {"weights_apart": apart}


def fitting(data: Dataset, family: str, settings: Mapping[str, Any]) -> Callable[[], Any]:
    estimator = catalog.build(family, settings)
    return lambda: estimator.fit(data, Run())


@contextmanager
def rectools(data: Dataset, folder: Path) -> Iterator[Peer]:
    """The peer with the purchases, in the order of our product rows."""
    owner = np.repeat(np.arange(len(data.events)), np.diff(data.events.start))
    np.savez(folder / "pairs.npz", customer=owner, product=data.events.product)
    peer = Peer("fit_peer.py", folder / "pairs.npz", RIDGE, folder / "weights.npy")
    try:
        yield peer
    finally:
        peer.close()


PARTS = {"T1": als, "T2": lightfm, "T3": ease}
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--movielens", type=Path, default=ROOT.parent / "shared" / "data" / "ml-1m-ncf")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    wanted = {} if given.only == ["T1"] else ONE  # T1 is about what happens when nobody pins anything
    free = {name: value for name, value in os.environ.items() if name not in ONE}
    if len(given.only) > 1 or {name: os.environ.get(name) for name in ONE if name in os.environ} != wanted:
        for part in given.only:
            environment = free if part == "T1" else free | ONE
            command = [sys.executable, *sys.orig_argv[1:], "--only", part]
            subprocess.run(command, env=environment, check=True)
        return
    data = dataset(*read_train(given.movielens))
    found = PARTS[given.only[0]](data, given.repeats)
    if given.json:
        given.json.with_stem(f"{given.json.stem}_{given.only[0]}").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
