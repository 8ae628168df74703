"""Compile the ranking kernels once, at installation, so that no night waits for it: `python -m recsys.ranking.warm`."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.ranking.ranks import held_out_ranks
from recsys.ranking.topk import top_k


def warm() -> None:
    """Call every kernel with the types a night calls them with; numba keeps the machine code on disk."""
    scores = np.eye(2, 3, dtype=np.float32)
    rows = sparse.csr_matrix(scores)
    held = (np.array([0, 1, 2], dtype=np.int64), np.array([2, 0], dtype=np.int32))
    top_k(scores, 1, seen=rows)
    held_out_ranks(scores, *held, seen=rows)
    held_out_ranks(scores, *held, candidates=rows)


if __name__ == "__main__":
    warm()
