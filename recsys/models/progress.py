"""How far a fit has come, where the library reports no loss: the training AUC on a fixed sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys.contract import F32, I64, Rows

SAMPLE = 5000


@dataclass(frozen=True)
class Pairs:
    """Rows of customers, of a product each bought, and of one each did not buy; all [n]."""

    customer: I64
    bought: I64
    other: I64

    @classmethod
    def of(cls, purchases: Rows, seed: int) -> Self:
        """At most 5,000 purchases (csr, sorted) and as many products drawn at random."""
        m = purchases.shape[1]
        rng = np.random.default_rng(seed)
        pick = np.sort(rng.integers(purchases.nnz, size=min(SAMPLE, purchases.nnz)))
        customer = np.searchsorted(purchases.indptr, pick, side="right") - 1
        other = rng.integers(m, size=len(pick))
        owner = np.repeat(np.arange(purchases.shape[0], dtype=np.int64), np.diff(purchases.indptr))
        own = owner * m + purchases.indices
        cell = customer.astype(np.int64) * m + other
        fresh = own[np.minimum(np.searchsorted(own, cell), len(own) - 1)] != cell
        return cls(customer[fresh], purchases.indices[pick][fresh].astype(np.int64), other[fresh])

    def auc(self, margin: F32) -> float:
        """The share of pairs in which what was bought is ahead; NaN when there is no pair."""
        return float((margin > 0).mean() + (margin == 0).mean() / 2) if len(margin) else float("nan")
