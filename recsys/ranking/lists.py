"""The published tables: lists per customer and segment, related products and complements per product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from recsys.contract import DAY, I32, Dataset, Events, Features, Queries, Scorer, Texts
from recsys.data.split import ask
from recsys.ranking.reasons import explain, known
from recsys.ranking.recommend import Rules, Served, recommend, shares_by_rung

if TYPE_CHECKING:
    import polars as pl

DEFAULT, SEGMENT = "default", "segment:"  # whose list it is, where it is nobody's own


@dataclass(frozen=True)
class Label:
    """What every row of a table says about where it comes from."""

    surface: str
    arm: str
    contender: str
    version: str


def active_customers(data: Dataset, days: int) -> Texts:
    """Ids of customers with an order in the last `days`; one that is called like a default list gets that list."""
    has = np.flatnonzero(np.diff(data.events.start) > 0)
    last = data.events.time[data.events.start[1:][has] - 1]
    ids: Texts = data.space.customers.ids[has[last >= data.as_of - days * DAY]]
    own = np.array([not (i == DEFAULT or i.startswith(SEGMENT)) for i in ids], dtype=bool)
    kept: Texts = ids[own]
    return kept


def customer_lists(
    data: Dataset, ladder: Sequence[Scorer], ids: Texts, k: int, *, repeats: bool, label: Label, rungs: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Top-k rows of the given customers, and the share of places each rung of the ladder filled."""
    queries = ask(data, ids, np.full(len(ids), -1, dtype=np.int32))
    seen = None if repeats else queries.history.seen(data.n_products)
    served = recommend(ladder, queries, k, Rules(barred=~data.catalogue.available, seen=seen))
    why = explain(served.lists.products, queries.history, queries.segment, known(data))
    return _table(ids, served, why, data, label), shares_by_rung(served, rungs)


def segment_lists(data: Dataset, ladder: Sequence[Scorer], k: int, label: Label) -> pl.DataFrame:
    """A default list per segment (customer `segment:NAME`) and one for the whole shop (`default`)."""
    n = len(data.space.segments) + 1
    segment = np.append(np.arange(n - 1), -1).astype(np.int32)
    queries = ask(data, np.full(n, "", dtype=object), segment)
    served = recommend(ladder, queries, k, Rules(barred=~data.catalogue.available))
    why = explain(served.lists.products, Events.empty(n), segment, known(data))
    names = np.array([f"{SEGMENT}{s}" for s in data.space.segments.ids] + [DEFAULT], dtype=object)
    return _table(names, served, why, data, label)


def product_lists(data: Dataset, scorer: Scorer, k: int, label: Label, *, basket: bool, reason: str) -> pl.DataFrame:
    """For every product the top k beside it: asked with it as the only basket item or the only history."""
    m = data.n_products
    queries = _product_queries(data, basket)
    served = recommend(
        [scorer], queries, k, Rules(barred=~data.catalogue.available, seen=sparse.identity(m, format="csr"))
    )
    why = np.full((m, k), reason, dtype=object)
    return _table(data.space.products.ids, served, why, data, label).rename({"customer": "beside"})


def _product_queries(data: Dataset, basket: bool) -> Queries:
    m = data.n_products
    nobody = ask(data, np.full(m, "", dtype=object), np.full(m, -1, dtype=np.int32))
    nobody = replace(nobody, features=Features(nobody.features.matrix, nobody.features.columns))
    if basket:
        return replace(nobody, basket=sparse.identity(m, dtype=np.float32, format="csr"))
    at = np.full(m, data.as_of - 1, dtype=np.int64)
    own = Events(
        np.arange(m + 1, dtype=np.int64),
        np.arange(m, dtype=np.int32),
        at,
        np.ones(m, np.float32),
        np.full(m, -1, dtype=np.int32),
    )
    return replace(nobody, history=own)


def _table(owners: Texts, served: Served, why: Any, data: Dataset, label: Label) -> pl.DataFrame:
    import polars as pl

    products: I32 = served.lists.products
    row, place = np.nonzero(products >= 0)
    columns = {
        "surface": np.full(len(row), label.surface, dtype=object),
        "arm": np.full(len(row), label.arm, dtype=object),
        "customer": owners[row],
        "rank": (place + 1).astype(np.int32),
        "product": data.space.products.ids[products[row, place]],
        "score": served.lists.scores[row, place],
        "contender": np.where(served.rung[row, place] == 0, label.contender, "fallback").astype(object),
        "version": np.full(len(row), label.version, dtype=object),
        "reason": why[row, place],
    }
    texts = {"surface", "arm", "customer", "product", "contender", "version", "reason"}
    return pl.DataFrame({n: pl.Series(n, v.tolist(), dtype=pl.String) if n in texts else v for n, v in columns.items()})
