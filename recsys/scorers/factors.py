"""Factor scorer: a vector per product, and a query vector made from whatever is known of who asks.

ALS, LightFM, factorization machines and two-tower models all end here. An inner product carries the others: cosine is
an inner product of vectors of length 1; minus a squared distance is 2 q.p - |p|^2 (the last a bias); a bias per
customer is one more dimension in which every product holds 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import EMPTY, F32, I32, Index, Queries, Space
from recsys.scorers.tower import FoldIn, Tower

QUERY_BLOCK = 8192  # queries whose vectors are made at once


@dataclass(frozen=True)
class FactorScorer:
    """score[q, j] = query_vector[q] . vectors[j] + bias[j]; a NaN bias marks a product the model has no opinion on.

    A query about which nothing is known (a zero vector) is NaN throughout, unless the biases say something.
    """

    space: Space
    vectors: F32  # [m, d]
    bias: F32 | None = None  # [m]
    tower: Tower | None = None  # the query vector is a sum of tables, with layers after it,
    fold_in: FoldIn | None = None  # or solved from the history, the products' vectors held fixed
    inputs: Index = EMPTY

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)]; NaN = no opinion."""
        vectors = self.vectors if products is None else self.vectors[products]
        bias = self.bias if self.bias is None or products is None else self.bias[products]
        scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
        for at in range(0, len(queries), QUERY_BLOCK):
            block = scores[at : at + QUERY_BLOCK]
            asked = self.query_vectors(queries.take(slice(at, at + QUERY_BLOCK)))
            np.matmul(asked, vectors.T, out=block)
            if bias is not None:
                block += bias
            if not self._has_biases:
                block[~asked.any(axis=1)] = np.nan
        return scores

    def query_vectors(self, queries: Queries) -> F32:
        """float32[n, d]: what `vectors` are multiplied with."""
        if self.fold_in is not None:
            return self.fold_in.solve(queries, self.vectors)
        if self.tower is not None:
            return self.tower.vectors(queries)
        return np.zeros((len(queries), self.vectors.shape[1]), dtype=np.float32)

    @property
    def _has_biases(self) -> bool:
        return self.bias is not None and bool(np.nan_to_num(self.bias).any())
