"""Feature rows of customers and products: `field:value` columns for categories, `field` for numbers in [-3, 3]."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from recsys.contract import I32, Catalogue, Features, Index, Space
from recsys.data.engine import gather

MIN_WORD_PRODUCTS, MAX_WORDS = 5, 400
_WORD = re.compile(r"[a-z]{3,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NOT_ATTRIBUTES = frozenset(
    ("product", "customer", "title", "price", "cost", "available", "time", "updated", "source", "source_line")
)

Fields = Mapping[str, Sequence[Any]]  # field -> one value per row; text = category, number = number, None = unknown


def encode(fields: Fields, n: int, words: Sequence[Iterable[str]] | None = None) -> Features:
    """[n, columns] csr of categories, standardised numbers and optional bags of words."""
    cells: list[tuple[int, str, float]] = []
    for name, values in sorted(fields.items()):
        cells += _numbers(name, values) if _is_number(values) else _categories(name, values)
    for row, bag in enumerate(words or ()):
        cells += [(row, f"word:{word}", 1.0) for word in bag]
    columns = Index.of(name for _, name, _ in cells)
    if not cells:
        return Features.none(n)
    rows, names, weights = zip(*cells, strict=True)
    shape = (n, len(columns))
    matrix = sparse.csr_matrix((np.array(weights, np.float32), (rows, columns.rows(names))), shape=shape)
    return Features(matrix, columns)


def customer_features(space: Space, segment: I32, customers: Any | None) -> Features:
    """The segment and every attribute of the customers table."""
    ids = [space.segments.ids[s] if s >= 0 else None for s in segment]
    return encode({"segment": ids, **_attributes(customers, "customer", space.customers)}, len(space.customers))


def product_features(space: Space, catalogue: Catalogue, products: Any | None) -> Features:
    """Category, seller, price band, title words and every attribute of the products table."""
    n = len(space.products)
    fields: dict[str, Sequence[Any]] = {
        "category": [c or None for c in catalogue.category],
        "price_band": _price_bands(catalogue.price),
    }
    if len(space.sellers) > 1:
        fields["seller"] = [space.sellers.ids[s] if s >= 0 else None for s in catalogue.seller]
    return encode({**fields, **_attributes(products, "product", space.products)}, n, title_words(catalogue.title))


def title_words(titles: Iterable[str]) -> list[list[str]]:
    """The frequent words of each title: in at least 5 titles, at most the 400 most frequent."""
    bags = [sorted(set(_WORD.findall(title.lower()))) for title in titles]
    counts = Counter(word for bag in bags for word in bag)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS]
    kept = {word for word, count in ranked if count >= MIN_WORD_PRODUCTS}
    return [[word for word in bag if word in kept] for bag in bags]


def _price_bands(price: Any) -> list[str | None]:
    known = np.isfinite(price)
    if not known.any():
        return [None] * len(price)
    edges = np.quantile(price[known], np.linspace(0.1, 0.9, 9))
    return [str(int(band)) if ok else None for band, ok in zip(np.searchsorted(edges, price), known, strict=True)]


def _attributes(table: Any | None, key: str, index: Index) -> dict[str, list[Any]]:
    if table is None:
        return {}
    frame = gather(table).unique(key, keep="last", maintain_order=True)
    at = index.rows(frame[key].to_list())
    fields: dict[str, list[Any]] = {}
    for name in frame.columns:
        if name in _NOT_ATTRIBUTES or _is_date(frame[name]):
            continue
        values: list[Any] = [None] * len(index)
        for row, value in zip(at, frame[name].to_list(), strict=True):
            if row >= 0:
                values[row] = value
        fields[name] = values
    return fields


def _is_number(values: Sequence[Any]) -> bool:
    known = [v for v in values if v is not None]
    return bool(known) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)


def _is_date(values: Any) -> bool:
    """Dates say when a row was made, not what it is; as categories they would only mark cohorts."""
    first = next((v for v in values.to_list() if v is not None), "")
    return not isinstance(first, int | float | bool) and _DATE.match(str(first)) is not None


def _categories(name: str, values: Sequence[Any]) -> list[tuple[int, str, float]]:
    return [(row, f"{name}:{value}", 1.0) for row, value in enumerate(values) if value is not None and value != ""]


def _numbers(name: str, values: Sequence[Any]) -> list[tuple[int, str, float]]:
    numbers = np.array([np.nan if v is None else float(v) for v in values])
    known = np.isfinite(numbers)
    if not known.any():
        return []
    spread = float(numbers[known].std()) or 1.0
    scaled = np.clip((numbers - numbers[known].mean()) / spread, -3, 3)
    return [(int(row), name, float(scaled[row])) for row in np.flatnonzero(known & (scaled != 0))]
