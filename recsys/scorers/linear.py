"""Linear scorer: a sparse row of the query times an item-item matrix, plus a bias per product.

Popularity, buy-again, item neighbours, EASE and complements all end here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from recsys.contract import EMPTY, F32, I32, Index, Queries, Rows, Space
from recsys.scorers.history import Weighting, weigh

Source = Literal["history", "basket", "none"]
BLOCK_CELLS = 4_000_000  # cells of an intermediate product held at once


@dataclass(frozen=True)
class LinearScorer:
    """score[q, j] = sum_i x[q, i] * weights[i, j] + bias[segment of q, j].

    Without a bias an exact 0 means that nothing in the query points to the product: no opinion, NaN.
    """

    space: Space
    source: Source  # where x comes from; "none": the bias alone
    weights: Rows | None = None  # [m, m] csr, rows = what was bought, columns = what is scored; None: the identity
    dense: F32 | None = None  # [m, m], in place of `weights` where every cell counts
    bias: F32 | None = None  # [1 or segments + 1, m]; the last row serves an unknown segment
    weighting: Weighting = "binary"
    half_life_days: float | None = None

    @property
    def inputs(self) -> Index:
        return EMPTY

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)]; NaN = no opinion."""
        wanted = np.arange(len(self.space.products), dtype=np.int32) if products is None else products
        x = self._source(queries)
        scores = np.zeros((len(queries), len(wanted)), dtype=np.float32) if x is None else self._product(x, wanted)
        if self.bias is None:
            scores[scores == 0] = np.nan
            return scores
        row = queries.segment if len(self.bias) > 1 else np.zeros(len(queries), dtype=np.int32)
        for segment in np.unique(row):  # one row of the bias at a time: never a second block
            scores[row == segment] += self.bias[segment, wanted]
        return scores

    def similar(self, products: I32) -> Rows:
        """[len(products), m] csr: what buying each of these products speaks for."""
        if self.dense is not None:
            return sparse.csr_matrix(self.dense[products])
        if self.weights is None:
            return sparse.csr_matrix((len(products), len(self.space.products)), dtype=np.float32)
        return self.weights[products]

    def _source(self, queries: Queries) -> Rows | None:
        m = len(self.space.products)
        if self.source == "history":
            return weigh(queries.history, m, self.weighting, queries.time, self.half_life_days)
        if self.source == "none" or queries.basket is None:
            return None
        rows = sparse.csr_matrix(queries.basket, copy=True)
        rows.data = np.log1p(rows.data) if self.weighting == "log" else rows.data
        rows.data = np.ones_like(rows.data) if self.weighting in ("binary", "events") else rows.data
        return rows

    def _product(self, x: Rows, wanted: I32) -> F32:
        everything = len(wanted) == len(self.space.products) and bool((np.diff(wanted) == 1).all())
        w = self.weights if self.dense is None else self.dense
        right = w if w is None or everything else w[:, wanted]
        scores = np.empty((x.shape[0], len(wanted)), dtype=np.float32)
        step = max(1, BLOCK_CELLS // max(1, len(wanted)))
        for at in range(0, x.shape[0], step):
            block = x[at : at + step]
            part = block[:, wanted] if right is None else block @ right
            scores[at : at + step] = part.toarray() if sparse.issparse(part) else part
        return scores
