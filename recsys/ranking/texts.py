"""Answering one shopper's text with a stored search scorer: text in, rows out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from recsys.ranking.topk import top_k
from recsys.scorers.search import SearchScorer


def find(scorer: SearchScorer, text: str, k: int, gone: Collection[str] = ()) -> list[dict[str, Any]]:
    """The k best products (rank, product, score), none of the ids in `gone`; [] where nothing is known of the text."""
    ids = scorer.space.products.ids
    barred = np.array([str(i) in gone for i in ids], dtype=bool)
    best, scores = top_k(scorer.search([text]), min(k, len(ids)), barred=barred)
    listed = [(int(p), float(s)) for p, s in zip(best[0], scores[0], strict=True) if p >= 0]
    return [{"rank": place, "product": str(ids[p]), "score": s} for place, (p, s) in enumerate(listed, start=1)]
