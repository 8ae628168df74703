"""After the warm-up nothing is left to compile for the calls a night makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recsys.ranking.ranks import held_out_ranks
from recsys.ranking.topk import top_k
from recsys.ranking.warm import warm


def signatures() -> dict[str, int]:
    from recsys.ranking import kernels

    entered: dict[str, Any] = {
        name: getattr(kernels, name) for name in ("best", "count_ranks", "count_candidate_ranks")
    }
    return {name: len(kernel.signatures) for name, kernel in entered.items()}


def test_a_night_compiles_nothing_after_the_warm_up() -> None:
    warm()
    ready = signatures()
    assert min(ready.values()) >= 1
    rng = np.random.default_rng(0)
    scores = rng.random((7, 40), dtype=np.float32)
    seen = sparse.random(7, 40, 0.2, format="csr", rng=rng)
    barred = rng.random(40) < 0.1
    start, product = np.arange(0, 16, 2, dtype=np.int64), rng.integers(0, 40, 14).astype(np.int32)
    top_k(scores, 5, seen=seen, barred=barred)
    top_k(scores, 5)
    held_out_ranks(scores, start, product, seen=seen, barred=barred)
    held_out_ranks(scores, start, product, seen=seen, barred=barred, candidates=seen)
    assert signatures() == ready
