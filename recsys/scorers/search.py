"""Search scorer: a query tower fed with text columns, and what the words themselves say."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, I32, Index, Queries, Rows, Space
from recsys.scorers.text import TextColumns
from recsys.scorers.tower import unit_rows


@dataclass(frozen=True)
class SearchScorer:
    """score[q, j] = cos(x_q . table, vectors[j]) / temperature + lexical * cos(x_q, titles[j]).

    x_q are the text columns of the query. The first part is learnt (what is meant), the second is not (what is said).
    A query of which no column is known has no opinion.
    """

    space: Space
    columns: TextColumns
    titles: Rows  # [m, columns] csr, rows of length 1
    table: F32  # [columns, d]
    vectors: F32  # [m, d] of length 1, or 0 where a product has no title and goes along with nothing: no opinion
    temperature: float
    lexical: float

    @functools.cached_property
    def inputs(self) -> Index:
        """A feature column per text column."""
        return Index.of(f"text:{column:07d}" for column in range(self.columns.size))

    def score(self, queries: Queries, products: I32 | None = None) -> F32:
        """float32[n, m or len(products)] from queries whose features are text columns; NaN = no opinion."""
        return self._score(queries.features.matrix, products)

    def search(self, texts: Sequence[str]) -> F32:
        """float32[n, m]: how well each product answers each text; NaN = nothing is known of the text."""
        return self._score(self.columns.rows(texts), None)

    def _score(self, x: Rows, products: I32 | None) -> F32:
        titles, vectors = self.titles, self.vectors
        if products is not None:
            titles, vectors = titles[products], vectors[products]
        asked = unit_rows(np.asarray(x @ self.table, dtype=np.float32)) / np.float32(self.temperature)
        scores: F32 = asked @ vectors.T + np.float32(self.lexical) * (x @ titles.T).toarray()
        scores[np.diff(x.indptr) == 0] = np.nan
        scores[:, ~vectors.any(axis=1)] = np.nan
        return scores
