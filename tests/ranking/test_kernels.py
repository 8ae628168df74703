"""The pieces of the compiled loops."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from recsys.ranking import kernels
from recsys.ranking.topk import blocks, top_k

ROOT = Path(__file__).parents[2]


def test_orders_rank_like_scores() -> None:
    tiny = np.finfo(np.float32).smallest_subnormal
    scores = np.float32([-3e38, -2.5, -1, -tiny, 0, tiny, 1, 1.0000001, 3e38])
    orders = [kernels.order_of(score, False) for score in scores]
    assert orders == sorted(set(orders))
    assert kernels.order_of(np.float32(-0.0), False) == kernels.order_of(np.float32(0), False) == 0


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_or_barred_is_nothing(score: float) -> None:
    assert kernels.order_of(np.float32(score), False) == kernels.NOTHING
    assert kernels.order_of(np.float32(1), True) == kernels.NOTHING


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_kth_largest_equals_a_sort(kind: type) -> None:
    rng = np.random.default_rng(0)
    ends = np.iinfo(kind)
    for values in (rng.integers(ends.min, ends.max, 37, dtype=kind), np.array([ends.min, 0, 0, ends.max], dtype=kind)):
        for k in range(1, len(values) + 1):
            assert kernels.kth_largest(values, k) == np.sort(values)[-k]


def test_threads_share_nothing() -> None:
    scores = np.random.default_rng(1).normal(size=(64, 301)).astype(np.float32)
    cut = list(blocks(64, 301, memory=4 * 301 * 4))
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda rows: top_k(scores[rows], 7)[0], cut))
    np.testing.assert_array_equal(np.concatenate(parts), top_k(scores, 7)[0])


def test_kernels_release_the_gil() -> None:
    for kernel in (kernels.best, kernels.count_ranks, kernels.count_candidate_ranks):
        assert kernel.targetoptions["nogil"]


def test_a_folder_without_a_cache_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    real = numba.njit

    def refuse_cache(*args: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", refuse_cache)
    assert kernels.compiled(lambda a: a + 1)(2) == 3


def test_numba_is_in_one_file_and_loaded_on_use() -> None:
    import subprocess

    with_numba = [path for path in (ROOT / "recsys").rglob("*.py") if "import numba" in path.read_text()]
    assert with_numba == [ROOT / "recsys" / "ranking" / "kernels.py"]
    code = "import sys, recsys.ranking.topk, recsys.ranking.ranks; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
