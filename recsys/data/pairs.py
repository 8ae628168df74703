"""A split somebody brings: files of (user, item) rows, with times and weights where they have them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recsys.contract import (
    Baskets,
    Catalogue,
    Dataset,
    Events,
    Features,
    Index,
    Queries,
    Rows,
    Space,
    Truth,
)
from recsys.data.split import ask
from recsys.errors import DataError, EmptyError

WITHOUT_HEADER = ("user", "item", "weight", "timestamp")  # the order of MovieLens and NCF files


@dataclass(frozen=True)
class OwnSplit:
    """Train as a Dataset, and who is asked what."""

    train: Dataset
    queries: Queries
    truth: Truth
    candidates: Rows | None
    ids: Any


def read_pairs(path: str) -> Any:
    """A polars table of text `user`, `item` and float `weight`, `timestamp` where given; raises DataError."""
    import polars as pl

    file = Path(path)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise DataError(f"{path} {what}", wanted="a CSV, TSV or Parquet file with columns user,item")
    if ".parquet" in file.suffixes:
        return _typed(_parquet(path), path)
    first = _first_line(file)
    if not first.strip():
        raise EmptyError(f"{path} is empty", wanted="a header user,item and rows")
    if first.startswith("(") and "\t" in first:
        return _negatives(file)
    separator = max(",\t;", key=first.count)
    names = [name.strip().strip('"') for name in first.strip().split(separator)]
    headed = {"user", "item"} <= set(names)
    if not headed and not all(_is_number(name) for name in names):
        raise DataError(
            f"{path}, line 1",
            got=first.strip()[:80],
            wanted="a header with the columns user,item",
            cure="Rename the columns: user,item and optionally timestamp,weight.",
        )
    try:
        table = pl.read_csv(file, separator=separator, has_header=headed, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read", got=str(error).splitlines()[0]) from None
    if not headed:
        table = table.rename(dict(zip(table.columns, WITHOUT_HEADER, strict=False)))
    return _typed(table, path)


def own_split(train: str, test: str, candidates: str | None = None) -> OwnSplit:
    """Read the three files; raises DataError or EmptyError in words."""
    past, held = read_pairs(train), read_pairs(test)
    _learnable(past, train)
    if not len(held):
        raise EmptyError(f"{test} has no rows", wanted="at least one user,item pair to be judged on")
    offered = None if candidates is None else read_pairs(candidates)
    space = Space(Index.of(past["user"].unique()), Index.of(past["item"].unique()))
    data = dataset_of(past, space)
    ids, truth = _truth(held, space)
    queries = ask(data, ids, np.full(len(ids), -1, dtype=np.int32))
    return OwnSplit(data, queries, truth, _candidates(offered, ids, space), ids)


def train_set(train: str) -> Dataset:
    """The rows of one file as a Dataset; raises DataError or EmptyError in words."""
    past = read_pairs(train)
    _learnable(past, train)
    return dataset_of(past, Space(Index.of(past["user"].unique()), Index.of(past["item"].unique())))


def _learnable(past: Any, train: str) -> None:
    if not len(past):
        raise EmptyError(f"{train} has no rows", wanted="at least one user,item pair to learn from")


def dataset_of(past: Any, space: Space) -> Dataset:
    """A Dataset of pairs: no prices, no sellers, one basket per user."""
    user, item = space.customers.rows(past["user"]), space.products.rows(past["item"])
    time = (
        past["timestamp"].to_numpy().astype(np.int64) if "timestamp" in past.columns else np.zeros(len(user), np.int64)
    )
    weight = (
        past["weight"].to_numpy().astype(np.float32) if "weight" in past.columns else np.ones(len(user), np.float32)
    )
    order = np.lexsort((item, time, user))
    n, m = len(space.customers), len(space.products)
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n))]).astype(np.int64)
    nowhere = np.full(len(user), -1, dtype=np.int32)
    events = Events(start, item[order], time[order], weight[order], nowhere)
    return Dataset(
        space=space,
        events=events,
        baskets=_one_basket_each(events, m),
        catalogue=_bare_catalogue(space),
        customer_features=Features.none(n),
        product_features=Features.none(m),
        customer_segment=np.full(n, -1, dtype=np.int32),
        as_of=int(time.max()) + 1,
    )


def _one_basket_each(events: Events, m: int) -> Baskets:
    n = len(events)
    last = np.zeros(n, dtype=np.int64)
    filled = np.diff(events.start) > 0
    last[filled] = events.time[events.start[1:][filled] - 1]
    return Baskets(events.seen(m), np.arange(n, dtype=np.int32), np.full(n, -1, dtype=np.int32), last)


def _bare_catalogue(space: Space) -> Catalogue:
    m = len(space.products)
    blank = np.full(m, "", dtype=object)
    return Catalogue(
        title=blank,
        seller=np.full(m, -1, dtype=np.int32),
        category=blank,
        price=np.full(m, np.nan, dtype=np.float32),
        available=np.ones(m, dtype=bool),
        design=blank,
    )


def _truth(held: Any, space: Space) -> tuple[Any, Truth]:
    held = held.unique(["user", "item"], keep="first", maintain_order=True).sort("user", "item")
    ids, counts = np.unique(np.array(held["user"].to_list(), dtype=object), return_counts=True)
    product = space.products.rows(held["item"])
    ones = np.ones(len(product), dtype=np.float32)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ids, Truth(start, product, ones, ones, np.zeros(len(product), dtype=np.int64))


def _candidates(offered: Any, ids: Any, space: Space) -> Rows | None:
    if offered is None:
        return None
    row, column = Index(ids).rows(offered["user"]), space.products.rows(offered["item"])
    known = (row >= 0) & (column >= 0)
    shape = (len(ids), len(space.products))
    rows = sparse.csr_matrix((np.ones(known.sum(), np.float32), (row[known], column[known])), shape=shape)
    rows.sum_duplicates()
    return rows


def _typed(table: Any, path: str) -> Any:
    import polars as pl

    missing = [c for c in ("user", "item") if c not in table.columns]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}", got=", ".join(table.columns), wanted="columns user,item")
    numbers = [c for c in ("timestamp", "weight") if c in table.columns]
    typed = table.with_columns(
        *[pl.col(c).cast(pl.String) for c in ("user", "item")],
        *[pl.col(c).cast(pl.Float64, strict=False) for c in numbers],
    )
    faulty = [pl.col(c).is_null() | pl.col(c).eq("") for c in ("user", "item")]
    faulty += [~pl.col(c).is_finite().fill_null(False) for c in numbers]
    bad = np.flatnonzero(typed.select(pl.any_horizontal(faulty)).to_series().to_numpy())
    if len(bad):
        raise DataError(
            f"{path}, row {int(bad[0]) + 1} after the header",
            got=", ".join(f"{c}={table[c][int(bad[0])]}" for c in ("user", "item", *numbers)),
            wanted="user and item as text, timestamp and weight as finite numbers",
            cure=f"Mend or remove {len(bad):,} such row{'s' if len(bad) > 1 else ''}.",
        )
    return typed.select("user", "item", *numbers)


def _parquet(path: str) -> Any:
    import polars as pl

    try:
        return pl.read_parquet(path)
    except Exception as error:
        raise DataError(f"{path} is not a readable Parquet file", got=str(error).splitlines()[0][:120]) from None


def _negatives(file: Path) -> Any:
    """The NCF form: `(user,positive)` then the user's negatives, tab separated."""
    import polars as pl

    users: list[str] = []
    items: list[str] = []
    for line in _open(file):
        head, *rest = line.rstrip("\n").split("\t")
        users += [head.strip("()").split(",")[0]] * len(rest)
        items += rest
    return pl.DataFrame({"user": users, "item": items}, schema={"user": pl.String, "item": pl.String})


def _open(file: Path) -> Any:
    return gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open(encoding="utf-8-sig")


def _first_line(file: Path) -> str:
    try:
        with _open(file) as stream:
            return str(stream.readline())
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise DataError(f"{file} cannot be read", got=str(error), wanted="text, plain or gzip") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
