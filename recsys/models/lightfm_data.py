"""What LightFM trains on: purchases of active customers and sold products, and their feature rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from recsys.contract import I32, Dataset, Features, Index, Rows, Texts
from recsys.errors import FitError
from recsys.scorers.history import weigh

HALF_LIFE_DAYS = 120.0  # of a purchase's sample weight


@dataclass(frozen=True)
class Side:
    """Feature rows of one side, identities first, and what each column is called from night to night."""

    matrix: Rows  # [rows, identities + columns] float32
    names: Texts


@dataclass(frozen=True)
class Training:
    """Rows here are positions in `active` and `sold`: who bought nothing has no identity to learn."""

    bought: Any  # coo [active, sold] of ones
    weight: Any  # coo, same cells: 2^(-age / 120 days) of the newest purchase, mean 1
    active: I32  # customer rows
    sold: I32  # product rows
    customers: Side
    products: Side
    all_products: Rows  # [m, identities + columns], sold or not
    side_features: bool

    def with_negatives(self, per_purchase: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """The purchases and, drawn anew each time, products not bought with value -1; weights of 1 for those."""
        n, m = self.bought.shape
        row = np.repeat(self.bought.row, per_purchase)
        col = rng.integers(m, size=len(row), dtype=np.int32)
        own = np.sort(self.bought.row.astype(np.int64) * m + self.bought.col)
        cell = row.astype(np.int64) * m + col
        at = np.minimum(np.searchsorted(own, cell), len(own) - 1)
        fresh = own[at] != cell
        cells = (np.concatenate([self.bought.row, row[fresh]]), np.concatenate([self.bought.col, col[fresh]]))
        signs = np.concatenate([self.bought.data, -np.ones(fresh.sum(), dtype=np.float32)])
        weights = np.concatenate([self.weight.data, np.ones(fresh.sum(), dtype=np.float32)])
        return sparse.coo_matrix((signs, cells), (n, m)), sparse.coo_matrix((weights, cells), (n, m))


def training(data: Dataset, with_features: bool) -> Training:
    """Purchases and features of a Dataset; raises FitError on NaN in the features."""
    now = np.full(len(data.events), data.as_of, dtype=np.int64)
    past = weigh(data.events, data.n_products, "binary", now, HALF_LIFE_DAYS)
    active = np.flatnonzero(np.diff(past.indptr)).astype(np.int32)
    sold = np.unique(past.indices).astype(np.int32)
    bought = past[active][:, sold].tocoo()
    weight = bought.data / bought.data.mean() if bought.nnz else bought.data
    cells, shape = (bought.row, bought.col), bought.shape
    has_features = with_features and bool(data.customer_features.matrix.nnz or data.product_features.matrix.nnz)
    customers = _side(data.space.customers, active, data.customer_features, has_features)
    products = _side(data.space.products, sold, data.product_features, has_features)
    return Training(
        bought=sparse.coo_matrix((np.ones_like(bought.data), cells), shape),
        weight=sparse.coo_matrix((weight.astype(np.float32), cells), shape),
        active=active,
        sold=sold,
        customers=Side(customers.matrix[active], customers.names),
        products=Side(products.matrix[sold], products.names),
        all_products=products.matrix,
        side_features=has_features,
    )


def _side(index: Index, known: I32, features: Features, has_features: bool) -> Side:
    """Rows of everybody: an identity for those known, and the side features."""
    if not np.isfinite(features.matrix.data).all():
        column = features.columns.ids[features.matrix.indices[~np.isfinite(features.matrix.data)][0]]
        raise FitError("lightfm", got=f"NaN in feature {column!r}", wanted="numbers", cure="Fill or drop the column.")
    n, k = len(index), len(known)
    identity = sparse.csr_matrix((np.ones(k, dtype=np.float32), (known, np.arange(k))), shape=(n, k))
    names = [f"id:{id_}" for id_ in index.ids[known]]
    if not has_features:
        return Side(identity, np.array(names, dtype=object))
    names += [f"feature:{column}" for column in features.columns.ids]
    both = sparse.hstack([identity, features.matrix], format="csr", dtype=np.float32)
    return Side(both, np.array(names, dtype=object))
