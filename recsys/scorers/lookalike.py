"""Lookalike scorer: what the customers with the most similar histories bought."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.contract import EMPTY, F32, I32, Index, Queries, Rows, Space
from recsys.scorers.history import Weighting, weigh
from recsys.scorers.prune import strongest

BLOCK_CELLS = 4_000_000  # similarities held at once


@dataclass(frozen=True)
class LookalikeScorer:
    """score[q, j] = scored_weight_j * sum over the K nearest customers v of sim(q, v)^sharpness * past[v, j].

    sim(q, v) = sum_i x_qi product_weight_i past_vi / norm_v. A norm of q would divide a whole row, which changes no
    ranking, so there is none. Nobody is their own neighbour. NaN where no neighbour bought the product.
    """

    space: Space
    past: Rows  # [u, m] what every customer bought
    product_weight: F32  # [m] what sharing a product says about two customers
    scored_weight: F32  # [m]
    norm: F32  # [u] > 0
    neighbours: int
    sharpness: float = 1.0
    weighting: Weighting = "binary"
    half_life_days: float | None = None

    @property
    def inputs(self) -> Index:
        return EMPTY

    @functools.cached_property
    def _buyers(self) -> Rows:
        """[m, u]: the transpose of what is compared, norms applied."""
        scaled = sparse.diags_array(1 / self.norm) @ self.past
        return sparse.csr_matrix(scaled.T, dtype=np.float32)

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)]; NaN = no opinion."""
        x = weigh(queries.history, len(self.space.products), self.weighting, queries.time, self.half_life_days)
        x = sparse.csr_matrix(x @ sparse.diags_array(self.product_weight))
        past = self.past if products is None else self.past[:, products]
        scores = np.empty((len(queries), past.shape[1]), dtype=np.float32)
        step = max(1, BLOCK_CELLS // max(1, self.past.shape[0]))
        for at in range(0, len(queries), step):
            near = self._nearest(x[at : at + step], queries.customer[at : at + step])
            scores[at : at + step] = (near @ past).toarray()
        scores *= self.scored_weight if products is None else self.scored_weight[products]
        scores[scores == 0] = np.nan
        return scores

    def _nearest(self, x: Rows, customer: I32) -> Rows:
        """[n, u] csr of the K greatest similarities, raised to `sharpness`."""
        similarity = (x @ self._buyers).toarray()
        known = np.flatnonzero(customer >= 0)
        similarity[known, customer[known]] = 0
        near = strongest(similarity, self.neighbours)
        near.data **= self.sharpness
        return near
