"""Completing one basket with a stored scorer, outside a night: ids in, rows out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from recsys.contract import Events, Features, Flags, Queries, Scorer
from recsys.ranking.topk import top_k


def complete_basket(scorer: Scorer, products: Sequence[str], k: int, barred: Flags) -> list[dict[str, Any]]:
    """The k best products beside those in the basket; ids the scorer does not know are left out of the question."""
    space = scorer.space
    rows = space.products.rows(products)
    rows = rows[rows >= 0]
    m = len(space.products)
    basket = sparse.csr_matrix((np.ones(len(rows), np.float32), (np.zeros(len(rows), int), rows)), shape=(1, m))
    nobody = np.full(1, -1, dtype=np.int32)
    history = Events(
        np.array([0, len(rows)], dtype=np.int64),
        rows,
        np.zeros(len(rows), dtype=np.int64),
        np.ones(len(rows), dtype=np.float32),
        np.full(len(rows), -1, dtype=np.int32),
    )
    features = Features(sparse.csr_matrix((1, len(scorer.inputs)), dtype=np.float32), scorer.inputs)
    queries = Queries(space, nobody, history, basket, features, nobody, np.zeros(1, dtype=np.int64))
    best, scores = top_k(scorer.score(queries), k, seen=basket, barred=barred)
    listed = [(int(p), float(s)) for p, s in zip(best[0], scores[0], strict=True) if p >= 0]
    reason = "often bought in the same order"
    return [
        {"rank": place, "product": str(space.products.ids[p]), "score": s, "reason": reason}
        for place, (p, s) in enumerate(listed, start=1)
    ]
