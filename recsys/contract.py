"""The values that cross rooms, and the two protocols: read this page first.

Everything is a frozen value of numpy arrays. Ids are text and live in an `Index`; everywhere else a customer, a
product or a market is its row number there. Row -1 means unknown. Times are int64 epoch seconds, UTC. Shapes are
written once, here: n = rows of this value, m = products, u = customers.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys import arrays

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]
Texts = NDArray[np.object_]
Rows: TypeAlias = Any  # scipy.sparse.csr_matrix, float32 (scipy ships no types)
DAY = 86_400


@dataclass(frozen=True)
class Index:
    """Sorted text ids <-> row numbers of one night."""

    ids: Texts

    @classmethod
    def of(cls, ids: Iterable[object]) -> Self:
        """The distinct ids in text order."""
        return cls(np.array(sorted({str(i) for i in ids}), dtype=object))

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def _row_of(self) -> dict[str, int]:
        return {str(id_): row for row, id_ in enumerate(self.ids)}

    @functools.cached_property
    def digest(self) -> str:
        return arrays.digest(self)

    def row(self, id_: str) -> int:
        """Row of one id, -1 when unknown."""
        return self._row_of.get(id_, -1)

    def rows(self, ids: Iterable[object]) -> I32:
        """int32[n] rows of ids, -1 where unknown."""
        find = self._row_of.get
        return np.array([find(str(i), -1) for i in ids], dtype=np.int32)

    def map_to(self, other: Index) -> I32:
        """int32[len(self)]: for each row here, its row in `other` or -1."""
        if self is other or self.digest == other.digest:
            return np.arange(len(self), dtype=np.int32)
        return other.rows(self.ids)


EMPTY = Index(np.empty(0, dtype=object))


@dataclass(frozen=True)
class Space:
    """Who and what has a row number tonight. Row numbers of two nights meet only in `ranking.align`."""

    customers: Index
    products: Index
    sellers: Index = EMPTY
    segments: Index = EMPTY
    markets: Index = EMPTY


@dataclass(frozen=True)
class Events:
    """Ragged rows sorted by time: row i owns [start[i], start[i+1]); ties by product row."""

    start: I64  # [n+1]
    product: I32
    time: I64
    weight: F32  # units, or any importance >= 0
    market: I32  # -1 unknown

    def __len__(self) -> int:
        return len(self.start) - 1

    def csr(self, m: int) -> Rows:
        """[n, m] float32, weights of repeated products added up."""
        parts = (self.weight, self.product, self.start)
        rows = sparse.csr_matrix(parts, shape=(len(self), m), dtype=np.float32, copy=True)  # sums in place below
        rows.sum_duplicates()
        return rows

    def seen(self, m: int) -> Rows:
        """[n, m] float32 of ones: which products a row has, however often."""
        rows = self.csr(m)
        rows.data = np.ones_like(rows.data)
        return rows

    def take(self, rows: I32) -> Events:
        """The given rows in the given order; row -1 is an empty history."""
        start, at = _ragged(self.start, rows)
        return Events(start, self.product[at], self.time[at], self.weight[at], self.market[at])

    @classmethod
    def empty(cls, n: int) -> Self:
        i32 = np.empty(0, dtype=np.int32)
        start = np.zeros(n + 1, dtype=np.int64)
        return cls(start, i32, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32), i32)


@dataclass(frozen=True)
class Baskets:
    """Orders as sets of products, guests included."""

    lines: Rows  # [orders, m] units
    customer: I32  # [orders] -1 guest
    segment: I32
    time: I64

    def __len__(self) -> int:
        return int(self.lines.shape[0])


@dataclass(frozen=True)
class Features:
    """Named feature columns; `field:value` for a category, `field` for a number."""

    matrix: Rows  # [n, columns] float32
    columns: Index

    @classmethod
    def none(cls, n: int) -> Self:
        return cls(sparse.csr_matrix((n, 0), dtype=np.float32), EMPTY)


@dataclass(frozen=True)
class Catalogue:
    """What is known of each product on the as-of day; one row per product of the space."""

    title: Texts
    seller: I32
    category: Texts
    price: F32  # last transaction price, NaN when never sold
    available: Flags  # may be recommended tomorrow
    design: Texts = field(default_factory=lambda: np.empty(0, dtype=object))  # variants share one; "" = none


@dataclass(frozen=True)
class Offers:
    """What can be chosen, long form: one row per alternative offered in a market, as known at the cutoff.

    An alternative is a product or a composite (a pooled tail); `composite_of[product]` is the alternative that
    stands for it, -1 where the product has none. Unavailable = no row; available but unsold = a row with share 0.
    """

    alternatives: Index
    composite_of: I32  # [m]
    market: I32  # [n] row of Space.markets
    alternative: I32  # [n]
    price: F64  # [n]
    firm: I32  # [n] row of Space.sellers
    size: F64  # [markets] number of potential buyers
    attributes: F64  # [n, a]
    attribute_names: tuple[str, ...] = ()
    cost: F64 | None = None  # [n]
    units: F64 | None = None  # [n]
    shares: F64 | None = None  # [n] of market size; absent for a future market
    instruments: F64 | None = None  # [n, z]
    instrument_names: tuple[str, ...] = ()
    nests: I32 | None = None  # [n]
    clusters: I32 | None = None  # [n]
    within: F64 | None = None  # [m] share of its composite's probability a product gets back

    def take(self, rows: Flags | I32) -> Offers:
        """Some of the rows; markets and alternatives keep their numbers."""
        given = {name: getattr(self, name) for name in _PER_OFFER}
        return dataclasses.replace(self, **{name: v[rows] for name, v in given.items() if v is not None})


_PER_OFFER = ("market", "alternative", "price", "firm", "attributes", "cost", "units", "shares", "instruments", "nests",
              "clusters")  # fmt: skip


class Part(StrEnum):
    """What an estimator needs of a Dataset."""

    EVENTS = "events"
    BASKETS = "baskets"
    CUSTOMER_FEATURES = "customer_features"
    PRODUCT_FEATURES = "product_features"
    OFFERS = "offers"
    PARTS = "parts"
    VALIDATION = "validation"  # a split of its own past, for early stopping or weights


@dataclass(frozen=True)
class Dataset:
    """Everything known at the end of the as-of day, and nothing later."""

    space: Space
    events: Events  # one row per customer
    baskets: Baskets
    catalogue: Catalogue
    customer_features: Features
    product_features: Features
    customer_segment: I32  # [u]
    as_of: int  # first second after the as-of day
    offers: Offers | None = None

    @functools.cached_property
    def digest(self) -> str:
        return arrays.digest(self)

    @property
    def n_products(self) -> int:
        return len(self.space.products)


@dataclass(frozen=True)
class Queries:
    """Who asks, with what history, with what in the basket, where, when."""

    space: Space
    customer: I32  # [n] -1 unknown
    history: Events  # n rows
    basket: Rows | None  # [n, m]
    features: Features  # n rows
    segment: I32
    time: I64
    market: I32 | None = None
    offers: Offers | None = None

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: slice | NDArray[np.integer[Any]]) -> Queries:
        """Some of the queries, in the given order."""
        at = np.arange(len(self), dtype=np.int32)[rows]
        return dataclasses.replace(
            self,
            customer=self.customer[at],
            history=self.history.take(at),
            basket=None if self.basket is None else self.basket[at],
            features=Features(self.features.matrix[at], self.features.columns),
            segment=self.segment[at],
            time=self.time[at],
            market=None if self.market is None else self.market[at],
        )


@dataclass(frozen=True)
class Truth:
    """What each query's customer really bought: ragged like Events, distinct products per query."""

    start: I64  # [n+1]
    product: I32
    quantity: F32
    revenue: F32
    time: I64

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def owner(self) -> I32:
        """int32 row of each purchase."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    def take(self, rows: I32) -> Truth:
        """The given rows in the given order."""
        start, at = _ragged(self.start, rows)
        return Truth(start, self.product[at], self.quantity[at], self.revenue[at], self.time[at])


@dataclass(frozen=True)
class Split:
    """A past to learn from and held-out days to be judged on."""

    train: Dataset
    queries: Queries
    truth: Truth


@dataclass(frozen=True)
class Recommendations:
    """Top-k lists."""

    customer: I32  # [n]
    products: I32  # [n, k] padded with -1
    scores: F32  # [n, k]
    propensity: F32 | None = None  # [n, k]


class Scorer(Protocol):
    """A fitted contender: immutable arrays, numpy and scipy only, safe to share between threads.

    score(queries, products) -> float32[n, m or len(products)]; higher is better within a row, never compared
    between scorers; NaN = no opinion. Queries must be in the scorer's own space (`ranking.align`).
    """

    @property
    def space(self) -> Space: ...

    @property
    def inputs(self) -> Index:
        """Feature columns the queries must carry."""
        ...

    def score(self, queries: Queries, products: I32 | None = None) -> F32: ...


State = dict[str, NDArray[Any]]


def _silent(step: int, **numbers: float) -> None:
    """Log nothing."""


@dataclass(frozen=True)
class Run:
    """The circumstances of one fit."""

    seed: int = 0
    deadline: float | None = None  # time.monotonic() seconds
    log: Callable[..., None] = _silent  # log(step, **numbers), once per epoch
    start: State | None = None  # last night's arrays
    parts: Mapping[str, Scorer] | None = None  # for a blend
    validation: Split | None = None


@dataclass(frozen=True)
class Fitted:
    """What a fit returns; `state` is for tomorrow's warm start and never published."""

    scorer: Scorer
    state: State = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


class Estimator(Protocol):
    """A family with its settings: a frozen dataclass with a JSON round trip, cheap to import and to build."""

    family: ClassVar[str]
    needs: ClassVar[frozenset[Part]]

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError (NaN, divergence, deadline) or RefusedError (a gate failed, with its report)."""
        ...


def _ragged(start: I64, rows: I32) -> tuple[I64, I64]:
    """(start of the rows when taken, where each of their elements lies); row -1 is empty."""
    known, some = np.maximum(rows, 0), len(start) > 1
    lengths = np.where(rows >= 0, np.diff(start)[known] if some else 0, 0)
    taken = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    owner = np.repeat(np.arange(len(rows)), lengths)
    origin = start[known] if some else np.zeros(len(rows), dtype=np.int64)
    return taken, origin[owner] + np.arange(taken[-1]) - taken[owner]


def settings_of(estimator: Any) -> dict[str, Any]:
    """The estimator's fields as JSON-ready values."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(estimator)))
    return values


def stack_rows(rows: Sequence[Sequence[int]], times: int = 0) -> Events:
    """Events from plain lists of products, weight 1: for tests, splits without time and the online path."""
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    product = np.array([p for r in rows for p in r], dtype=np.int32)
    n = len(product)
    at = np.full(n, times, dtype=np.int64)
    return Events(start, product, at, np.ones(n, dtype=np.float32), np.full(n, -1, dtype=np.int32))
