from __future__ import annotations

import numpy as np

from recsys.scorers.prune import strongest


def test_k_greatest_positive_cells_ties_to_the_lower_column() -> None:
    block = np.array([[3, 1, 2, 2, 2], [0, -1, 0, 5, 0], [1, 1, 1, 1, 1]], dtype=np.float32)
    kept = strongest(block, 3)
    np.testing.assert_array_equal(kept.toarray(), [[3, 0, 2, 2, 0], [0, 0, 0, 5, 0], [1, 1, 1, 0, 0]])


def test_more_than_there_are_keeps_the_positive_ones() -> None:
    kept = strongest(np.array([[1, 0], [-1, 2]], dtype=np.float32), 9)
    np.testing.assert_array_equal(kept.toarray(), [[1, 0], [0, 2]])
