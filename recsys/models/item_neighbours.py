"""Item neighbours: products bought by the same customers, the K nearest of every product that is scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from scipy import sparse

from recsys.contract import F32, F64, I64, Dataset, Fitted, Part, Rows, Run
from recsys.errors import FitError
from recsys.models.guard import check_deadline
from recsys.models.settings import Range
from recsys.scorers.history import Weighting, weigh
from recsys.scorers.linear import LinearScorer
from recsys.scorers.prune import strongest

Similarity = Literal["cosine", "asymmetric", "rp3beta", "tfidf", "bm25"]
Power = Annotated[float, Range(0, 3)]

# history product, scored product, customer: a, b, g of sum_u x_ui x_uj d_u^-g / (d_i^a d_j^b)
POWERS: dict[str, tuple[float, float, float]] = {
    "cosine": (0.5, 0.5, 0.0),
    "asymmetric": (0.58, 0.42, 0.0),
    "rp3beta": (0.8, 0.35, 0.7),
    "tfidf": (0.5, 0.5, 0.0),
    "bm25": (0.0, 0.0, 0.0),
}
BM25_K1, BM25_B = 1.2, 0.75
MOST_ALIKE = 10  # products a product borrows from
BLOCK_CELLS = 4_000_000  # similarities held at once


@dataclass(frozen=True)
class ItemNeighbours:
    """W[i, j] = sum_u x_ui x_uj d_u^-g / (d_i^a d_j^b + shrinkage), K greatest per scored product j.

    d are purchases per customer and product. `tfidf` and `bm25` weigh x by the rarity of the customer first.
    Products with few purchases borrow from products that look alike: `attribute_weight` purchases' worth.
    """

    family: ClassVar[str] = "item_neighbours"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.EVENTS, Part.PRODUCT_FEATURES})

    similarity: Similarity = "rp3beta"
    neighbours: Annotated[int, Range(1, 100_000)] = 100
    shrinkage: Annotated[float, Range(0, 1e6)] = 0.0  # in units of the denominator
    powers: tuple[Power, Power, Power] | None = None  # (a, b, g) in place of the similarity's own
    attribute_weight: Annotated[float, Range(0, 1e6)] = 1.0
    weighting: Weighting = "binary"
    half_life_days: Annotated[float, Range(0.01, 1e5)] | None = 180.0

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError when no known customer bought anything, or at the deadline."""
        now = np.full(len(data.events), data.as_of, dtype=np.int64)
        x = weigh(data.events, data.n_products, self.weighting, now, self.half_life_days)
        if not x.nnz:
            raise FitError("item_neighbours", got="no purchases by known customers", wanted="at least one")
        weights = self._weights(x, data.product_features.matrix, run)
        scorer = LinearScorer(
            data.space, "history", weights, weighting=self.weighting, half_life_days=self.half_life_days
        )
        return Fitted(scorer, report={"n_iterations": 1, "n_weights": int(weights.nnz)})

    def _weights(self, x: Rows, attributes: Rows, run: Run) -> Rows:
        """[m, m] csr, made in blocks of scored products so that memory stays bounded."""
        m = x.shape[1]
        purchases = np.bincount(x.indices, minlength=m)
        a, b, g = self.powers or POWERS[self.similarity]
        left, right = self._sides(x, g)
        size_history, size_scored = _power(left, a), _power(left, b)
        looks = _unit(attributes) if self.attribute_weight and attributes.nnz else None
        blocks = []
        step = max(1, BLOCK_CELLS // m)
        for at in range(0, m, step):
            scored = slice(at, at + step)
            block = (left[:, scored].T @ right).toarray()  # rows: scored products
            block /= np.maximum(np.outer(size_scored[scored], size_history) + self.shrinkage, 1e-12)
            if looks is not None:
                _borrow(block, (looks[scored] @ looks.T).toarray(), purchases[scored], self.attribute_weight)
            block[np.arange(len(block)), np.arange(at, at + len(block))] = 0
            blocks.append(strongest(block, self.neighbours))
            check_deadline(run, "item_neighbours", f"{at + len(block)} of {m} products")
        return sparse.csr_matrix(sparse.vstack(blocks).T)

    def _sides(self, x: Rows, g: float) -> tuple[Rows, Rows]:
        """The matrix of the scored side, and of the history side with d_u^-g applied."""
        if self.similarity in ("tfidf", "bm25"):
            x = _rarity(x, self.similarity)
        d = np.maximum(np.diff(x.indptr), 1)
        return sparse.csr_matrix(x), sparse.csr_matrix(sparse.diags_array((d**-g).astype(np.float32)) @ x)


def _power(x: Rows, power: float) -> F32:
    """Per product, (sum of squares)^power: with binary purchases the number of buyers to that power."""
    squares = np.asarray(x.multiply(x).sum(axis=0), dtype=np.float64).ravel()
    size: F32 = (np.where(squares > 0, squares, 1) ** power).astype(np.float32)
    return size


def _rarity(x: Rows, similarity: str) -> Rows:
    """Customers who buy everything tell less: purchases weighted by idf of the customer, with BM25's saturation.

    idf = log m - log(1 + purchases of the customer), as in the library implicit, but never less than 1 / m: who buys
    nearly everything still tells a little.
    """
    m = x.shape[1]
    per_customer = np.diff(x.indptr)
    idf: F64 = np.maximum(np.log(m) - np.log1p(per_customer), 1 / m)
    owner = np.repeat(np.arange(x.shape[0]), per_customer)
    data = np.sqrt(x.data)
    if similarity == "bm25":
        total = np.asarray(x.sum(axis=0)).ravel()
        length = 1 - BM25_B + BM25_B * total / max(float(total.mean()), 1e-12)
        data = x.data * (BM25_K1 + 1) / (BM25_K1 * length[x.indices] + x.data)
    parts = ((data * idf[owner]).astype(np.float32), x.indices, x.indptr)
    return sparse.csr_matrix(parts, shape=x.shape)


def _unit(attributes: Rows) -> Rows:
    """Rows of length 1, rare attributes weighing more."""
    m = attributes.shape[0]
    held = np.bincount(attributes.indices, minlength=attributes.shape[1])
    rare = attributes @ sparse.diags_array(np.log1p(m / np.maximum(held, 1)))
    length = np.sqrt(np.asarray(rare.multiply(rare).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags_array(1 / np.where(length > 0, length, 1)) @ rare, dtype=np.float32)


def _borrow(block: F32, looks: F32, purchases: I64, weight: float) -> None:
    """Mix in the attribute similarity in place: all of it for a product never sold, little for one sold often."""
    strength = block.max(axis=1)  # of the nearest neighbour, on average over purchases: rare products' are extreme
    typical = float(purchases @ strength / max(purchases.sum(), 1)) or 1.0
    share = (weight / (purchases + weight))[:, None].astype(np.float32)
    alike = strongest(looks**3, MOST_ALIKE).toarray()  # many weak resemblances would outweigh real purchases
    block *= 1 - share
    block += share * np.float32(typical) * alike
