"""A ready product panel in pyblp's column names, as a file or a table.

Needed: market_ids, shares, prices. Optional: product_ids (else numbered within the market), firm_ids, nesting_ids,
clustering_ids, region_ids (segment), period_ids, costs, market_size (people per market, else 1), demand_instruments0..
and any further columns: numbers are attributes, text is a level that can be absorbed. Shares are of the market size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recsys.contract import F64, I32, Index, Offers, Space, Texts
from recsys.errors import DataError
from recsys.models.demand.panel import Panel
from recsys.scorers.choice import market_id

NEEDED = ("market_ids", "shares", "prices")
ROLES = (*NEEDED, "product_ids", "firm_ids", "nesting_ids", "clustering_ids", "region_ids", "period_ids", "costs",
         "market_size")  # fmt: skip


def read_table(file: str | Path) -> Any:
    """A polars frame from .csv, .csv.gz or .parquet; raises DataError when it cannot be read."""
    import polars as pl

    path = Path(file)
    if not path.is_file():
        raise DataError("The panel file", got=f"no file {path}", cure="Check the path.")
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None, null_values=["", "NA", "NaN", "."])
    except Exception as error:
        raise DataError(f"{path} cannot be read as a table", got=error, cure="Save it as CSV or Parquet.") from error


def panel_from(table: Any) -> Panel:
    """A Panel from a polars frame with pyblp's column names; raises DataError that names the column."""
    _check(table)
    n = len(table)
    market = _texts(table, "market_ids", n)
    if "region_ids" in table.columns and "period_ids" in table.columns:
        pairs = zip(_texts(table, "region_ids", n), _texts(table, "period_ids", n), strict=True)
        market = np.array([market_id(region, period) for region, period in pairs], dtype=object)
    markets = Index.of(market)
    market_row = markets.rows(market)
    product = _texts(table, "product_ids", n) if "product_ids" in table.columns else _numbered(market_row)
    products = Index.of(product)
    firm = _texts(table, "firm_ids", n) if "firm_ids" in table.columns else product
    firms = Index.of(firm)
    segments = Index.of(str(m).rpartition("@")[0] or str(m) for m in markets.ids)
    space = Space(customers=Index.of(()), products=products, sellers=firms, segments=segments, markets=markets)
    offers = _offers(table, space, market_row, products.rows(product), firms.rows(firm))
    _check_unique(offers, space)
    supply = [c for c in table.columns if c.startswith("supply_instruments")]
    supplied = np.column_stack([_numbers(table, c) for c in supply]) if supply else None
    return Panel(offers, space, _levels(table), supplied)


def _offers(table: Any, space: Space, market: I32, product: I32, firm: I32) -> Offers:
    names = _attribute_names(table)
    instruments = _instrument_names(table)
    n = len(table)
    numbers = [_numbers(table, c) for c in names]
    return Offers(
        alternatives=space.products,
        composite_of=np.arange(len(space.products), dtype=np.int32),
        market=market,
        alternative=product,
        price=_numbers(table, "prices"),
        firm=firm,
        size=_sizes(table, market, len(space.markets)),
        attributes=np.column_stack(numbers) if numbers else np.empty((n, 0)),
        attribute_names=tuple(names),
        cost=_numbers(table, "costs") if "costs" in table.columns else None,
        shares=_numbers(table, "shares"),
        instruments=np.column_stack([_numbers(table, c) for c in instruments]) if instruments else None,
        instrument_names=tuple(instruments),
        nests=_coded(table, "nesting_ids"),
        clusters=_coded(table, "clustering_ids"),
    )


def _sizes(table: Any, market: I32, markets: int) -> F64:
    size = np.ones(markets)
    if "market_size" in table.columns:
        size[market] = _numbers(table, "market_size")
    return size


def _check(table: Any) -> None:
    missing = [c for c in NEEDED if c not in table.columns]
    if missing:
        raise DataError(
            "The panel",
            got=f"columns {', '.join(table.columns[:12])}",
            wanted=f"also {', '.join(missing)}",
            cure="Rename the columns as pyblp names them, or give order lines with a mapping.",
        )
    if not len(table):
        raise DataError("The panel", got="no rows", cure="Check the file.")


def _check_unique(offers: Offers, space: Space) -> None:
    pair = offers.market.astype(np.int64) * len(space.products) + offers.alternative
    ids, count = np.unique(pair, return_counts=True)
    if (count > 1).any():
        twin = int(ids[count > 1][0])
        market, product = divmod(twin, len(space.products))
        raise DataError(
            "The panel",
            got=f"product {space.products.ids[product]!r} more than once in market {space.markets.ids[market]!r}",
            wanted="one row per product and market",
            cure="Add the rows up, or give them different product_ids.",
        )


def _numbers(table: Any, name: str) -> F64:
    import polars as pl

    try:
        column: F64 = table[name].cast(pl.Float64).to_numpy().astype(np.float64)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"Column {name!r}", got=str(error).splitlines()[0], wanted="numbers") from None
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        raise DataError(
            f"Column {name!r}",
            got=f"{len(bad)} empty values, the first in row {bad[0] + 1}",
            wanted="a number in every row",
            cure="Fill them or leave the rows out.",
        )
    return column


def _texts(table: Any, name: str, n: int) -> Texts:
    return np.array([str(v) for v in table[name].to_list()], dtype=object).reshape(n)


def _coded(table: Any, name: str) -> I32 | None:
    if name not in table.columns:
        return None
    return np.unique(_texts(table, name, len(table)).astype(str), return_inverse=True)[1].astype(np.int32)


def _numbered(market: I32) -> Texts:
    seen: dict[int, int] = {}
    names = []
    for m in market.tolist():
        seen[m] = seen.get(m, -1) + 1
        names.append(f"{seen[m]:05d}")
    return np.array(names, dtype=object)


def _instrument_names(table: Any) -> list[str]:
    return [c for c in table.columns if c.startswith("demand_instruments")]


def _attribute_names(table: Any) -> list[str]:
    reserved = (*ROLES, *_instrument_names(table))
    numeric = [c for c in table.columns if table[c].dtype.is_numeric() and not c.startswith("supply_instruments")]
    return [c for c in numeric if c not in reserved]


def _levels(table: Any) -> dict[str, I32]:
    """Every further column, as levels: text can be absorbed, and so can a number that is a code."""
    skipped = (*NEEDED, *_instrument_names(table))
    columns = [c for c in table.columns if c not in skipped and not c.startswith("supply_instruments")]
    return {c: coded for c in columns if (coded := _coded(table, c)) is not None}
