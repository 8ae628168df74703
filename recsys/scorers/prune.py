"""Keep the strongest cells of each row of a similarity block."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.contract import F32, Rows


def strongest(block: F32, k: int) -> Rows:
    """[n, m] csr of the k greatest positive cells per row of a dense [n, m] block; ties go to the lower column."""
    n, m = block.shape
    if k < m:
        edge = np.partition(block, m - k, axis=1)[:, m - k, None]
        keep = block > edge
        room = k - keep.sum(axis=1, keepdims=True)
        ties = block == edge
        keep |= ties & (np.cumsum(ties, axis=1, dtype=np.int32) <= room)
        keep &= block > 0
    else:
        keep = block > 0
    start = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    return sparse.csr_matrix((block[keep], np.nonzero(keep)[1].astype(np.int32), start), shape=(n, m))
