"""Blend scorer: a weighted sum of other scorers, each brought to one scale within every query first."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from recsys.contract import F32, I32, Features, Flags, Index, Queries, Scorer, Space

Scale = Literal["score", "rank"]
BLOCK_CELLS = 4_000_000  # scores of one part held at once, beside the result


@dataclass(frozen=True)
class BlendScorer:
    """score[q, j] = sum_p weight_p * scaled_p[q, j].

    `score`: (s - mean) / deviation over the products the customer has not bought; `rank`: 1 - rank / products, ties
    sharing their mean rank. Scales are always those of the full catalogue. Where one part has no opinion and another
    has, the silent part counts the product among its last.
    """

    space: Space
    parts: dict[str, Scorer]
    weights: dict[str, float]  # by the same names
    scale: Scale = "score"
    inputs: Index = dataclasses.field(default_factory=lambda: Index.of([]))  # the columns of all parts together

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)]; NaN where no part has an opinion."""
        m = len(self.space.products)
        wanted = np.arange(m, dtype=np.int32) if products is None else products
        scores = np.empty((len(queries), len(wanted)), dtype=np.float32)
        step = max(1, BLOCK_CELLS // max(1, m))
        for at in range(0, len(queries), step):
            scores[at : at + step] = self._block(queries.take(slice(at, at + step)))[:, wanted]
        return scores

    def _block(self, queries: Queries) -> F32:
        m = len(self.space.products)
        seen = queries.history.seen(m).astype(bool).toarray()
        total = np.zeros((len(queries), m), dtype=np.float32)
        silent = np.ones((len(queries), m), dtype=bool)
        for name in sorted(self.parts):  # one order of summation, whatever order the parts came in
            scaled, mute = scale_part(self.parts[name], queries, seen, self.scale)
            silent &= mute
            total += np.float32(self.weights[name]) * scaled
        total[silent] = np.nan
        return total


def scale_part(part: Scorer, queries: Queries, seen: Flags, scale: Scale) -> tuple[F32, Flags]:
    """One part's scores brought to the blend's scale, float32[n, m], and where it has no opinion, bool[n, m]."""
    raw = part.score(_narrow(queries, part.inputs))
    mute = np.isnan(raw)
    return (standardise(raw, seen, mute) if scale == "score" else rank_share(raw, mute)), mute


def standardise(scores: F32, seen: Flags, mute: Flags) -> F32:
    """Per row (s - mean) / deviation over the products not seen; a NaN cell counts as min(0, the row's lowest)."""
    lowest = np.where(mute, 0, scores).min(axis=1, keepdims=True)  # 0 is what a sum over no evidence is
    filled = np.where(mute, lowest, scores)
    n = np.maximum((~seen).sum(axis=1, keepdims=True), 1).astype(np.float32)
    centred = filled - np.where(seen, 0, filled).sum(axis=1, keepdims=True) / n
    deviation = np.sqrt(np.where(seen, 0, centred**2).sum(axis=1, keepdims=True) / n)
    scaled: F32 = (centred / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return scaled


def rank_share(scores: F32, mute: Flags) -> F32:
    """Per row 1 - (mean rank - 1) / products: 1 for the best, ties alike, NaN cells tied at the end."""
    from scipy.stats import rankdata

    ranks = rankdata(np.where(mute, np.inf, -scores), axis=1)
    share: F32 = (1 - (ranks - 1) / scores.shape[1]).astype(np.float32)
    return share


def _narrow(queries: Queries, inputs: Index) -> Queries:
    """The same queries with the feature columns one part asks for; a column nobody sent is empty."""
    have = queries.features.columns
    if have.digest == inputs.digest:
        return queries
    to = have.map_to(inputs)
    known = np.flatnonzero(to >= 0)
    pick = sparse.csr_matrix((np.ones(len(known), np.float32), (known, to[known])), shape=(len(have), len(inputs)))
    matrix = sparse.csr_matrix(queries.features.matrix @ pick)
    return dataclasses.replace(queries, features=Features(matrix, inputs))
