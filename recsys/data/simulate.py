"""Make a marketplace with known truth and write it as the files a shop would hand over."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys import arrays
from recsys.contract import DAY, I32, Events
from recsys.data.marketplace import WEEK, Marketplace, MarketTruth, Size
from recsys.data.planting import AGES, Planted, plant
from recsys.data.shelves import COLOURS, KINDS, THEMES, Shelves
from recsys.data.trading import Sales, Slates, Visits, seconds, show, trade
from recsys.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

RETURNED = 0.04  # share of lines that come back
QUANTITIES = (0.93, 0.055, 0.015)  # of 1, 2, 3 units
FEES = (("SHIP", 4.90, 0.15), ("SETUP", 12.00, 0.03))  # code, price, share of orders that carry it


def simulate(size: Size) -> Marketplace:
    """Draw a marketplace; equal sizes (seed included) give equal marketplaces."""
    planted = plant(size)
    rng = np.random.default_rng([size.seed, 1])
    sales, visits = trade(planted.truth, rng)
    orders, events = _orders(planted.truth, sales, rng)
    truth = dataclasses.replace(planted.truth, purchases=events)
    return Marketplace(
        orders=orders,
        products=_products(planted),
        customers=_customers(planted, rng),
        exposures=_exposures(truth, visits, show(truth, visits, rng), rng),
        prices=_prices(truth),
        truth=truth,
    )


def write(market: Marketplace, folder: Path) -> dict[str, int]:
    """Write the tables and the truth into a new or empty folder; returns rows per file.

    Raises UsageError when the folder holds anything.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("simulate", got=f"{folder}, which is not empty", wanted="a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "orders.csv.gz": market.orders,
        "products.csv": market.products,
        "customers.csv": market.customers,
        "exposures.csv.gz": market.exposures,
        "prices.csv.gz": market.prices,
    }
    for name, frame in tables.items():
        text = frame.write_csv(float_precision=None).encode()
        (folder / name).write_bytes(gzip.compress(text, 6, mtime=0) if name.endswith(".gz") else text)
    (folder / "truth.safetensors").write_bytes(arrays.to_bytes(market.truth))
    return {name: frame.height for name, frame in tables.items()}


def read_truth(folder: Path) -> MarketTruth:
    """The truth of a written marketplace."""
    return arrays.from_bytes(MarketTruth, (folder / "truth.safetensors").read_bytes())


def _orders(truth: MarketTruth, sales: Sales, rng: np.random.Generator) -> tuple[pl.DataFrame, Events]:
    """The order table with fees and returns, and the customers' purchases as Events."""
    import polars as pl

    n_orders = int(sales.order[-1]) + 1
    first = np.flatnonzero(sales.line == 1)
    moment = seconds(sales.day[first], rng)
    by_time = np.argsort(moment, kind="stable")
    number = np.empty(n_orders, dtype=np.int64)
    number[by_time] = np.arange(1, n_orders + 1)
    time = truth.start + moment[sales.order]
    week = sales.day // WEEK
    columns: dict[str, Any] = {
        "order": _numbered("O", number[sales.order], 8),
        "line": sales.line,
        "customer": _names(truth.customers.ids, sales.person),
        "product": truth.products.ids[sales.product],
        "seller": truth.sellers.ids[truth.seller[sales.product]],
        "segment": truth.segments.ids[truth.segment[sales.person]],
        "quantity": rng.choice([1, 2, 3], len(sales.day), p=QUANTITIES),
        "price": truth.price[truth.segment[sales.person], sales.product, week].astype(np.float64).round(2),
        "cost": truth.cost[sales.product, week].astype(np.float64).round(2),
        "time": time,
    }
    lines = pl.DataFrame(columns, schema_overrides={name: pl.String for name in ("order", "customer")})
    table = pl.concat([lines, *_fees(lines, rng), _returns(lines, truth, rng)])
    table = table.sort("time", "order", "line").with_columns(_iso("time"))
    return table, _events(truth, sales, time, columns["quantity"])


def _fees(lines: pl.DataFrame, rng: np.random.Generator) -> list[pl.DataFrame]:
    """Fee lines: money, but nothing anybody chose from a catalogue."""
    import polars as pl

    last = lines.sort("order", "line").group_by("order", maintain_order=True).last()
    last = last.select(lines.columns)
    return [
        last.filter(pl.Series(rng.random(last.height) < share)).with_columns(
            line=pl.col("line") + 1 + extra,
            product=pl.lit(code),
            quantity=pl.lit(1, dtype=pl.Int64),
            price=pl.lit(price),
            cost=pl.lit(price),
        )
        for extra, (code, price, share) in enumerate(FEES)
    ]


def _returns(lines: pl.DataFrame, truth: MarketTruth, rng: np.random.Generator) -> pl.DataFrame:
    """Lines that came back two to twenty days later, as orders of their own with negative quantity."""
    import polars as pl

    back = lines.filter(pl.Series(rng.random(lines.height) < RETURNED))
    late = pl.Series(rng.integers(2 * DAY, 20 * DAY, back.height))
    back = back.with_columns(
        order="R" + pl.col("order").str.slice(1), quantity=-pl.col("quantity"), time=pl.col("time") + late
    )
    return back.filter(pl.col("time") < truth.start + truth.days * DAY)


def _events(truth: MarketTruth, sales: Sales, time: NDArray[np.int64], units: NDArray[np.int64]) -> Events:
    """Purchases of the known customers, returns left in; market -1."""
    known = np.flatnonzero(sales.person < len(truth.customers))
    rows = known[np.lexsort((sales.product[known], time[known], sales.person[known]))]
    counts = np.bincount(sales.person[rows], minlength=len(truth.customers))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    none = np.full(len(rows), -1, dtype=np.int32)
    return Events(start, sales.product[rows], time[rows], units[rows].astype(np.float32), none)


def _products(planted: Planted) -> pl.DataFrame:
    """The catalogue as of the last day."""
    import polars as pl

    truth, shelves = planted.truth, planted.shelves
    kind = np.array([k.name for k in KINDS], dtype=object)[shelves.kind]
    return pl.DataFrame(
        {
            "product": truth.products.ids,
            "title": [_title(shelves, j) for j in range(len(kind))],
            "category": kind,
            "colour": np.array(COLOURS, dtype=object)[shelves.colour],
            "sleeve": list(shelves.sleeve),
            "theme": np.array(THEMES, dtype=object)[shelves.theme],
            "design": _numbered("D", shelves.design, 5),
            "seller": truth.sellers.ids[truth.seller],
            "price": truth.price[:, :, -1].mean(axis=0).astype(np.float64).round(2),
            "cost": truth.cost[:, -1].astype(np.float64).round(2),
            "available": truth.offered[:, -1],
        }
    )


def _title(shelves: Shelves, j: int) -> str:
    """`Cats no. 12, navy long-sleeve t-shirt`."""
    sleeve = "" if shelves.sleeve[j] == "none" else f"{shelves.sleeve[j]}-sleeve "
    theme, kind = THEMES[shelves.theme[j]].capitalize(), KINDS[shelves.kind[j]].name
    return f"{theme} no. {shelves.design[j]}, {COLOURS[shelves.colour[j]]} {sleeve}{kind}"


def _customers(planted: Planted, rng: np.random.Generator) -> pl.DataFrame:
    import polars as pl

    truth = planted.truth
    n = len(truth.customers)
    return pl.DataFrame(
        {
            "customer": truth.customers.ids,
            "segment": truth.segments.ids[truth.segment[:n]],
            "age_band": np.array(AGES, dtype=object)[planted.age[:n]],
            "device": rng.choice(np.array(["phone", "computer", "tablet"], dtype=object), n, p=[0.6, 0.3, 0.1]),
        }
    )


def _exposures(truth: MarketTruth, visits: Visits, slates: Slates, rng: np.random.Generator) -> pl.DataFrame:
    """One row per slate position, oldest slate first; outcome 1 = clicked."""
    import polars as pl

    moment = truth.start + seconds(visits.day[slates.visit], rng)
    order = np.argsort(moment, kind="stable")
    n, positions = slates.product.shape
    person = visits.person[slates.visit][order]

    def each(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, positions)

    visitors = _names(truth.customers.ids, person)
    guests = _numbered("G", person, 6)
    visitors[person >= len(truth.customers)] = guests[person >= len(truth.customers)]
    return pl.DataFrame(
        {
            "time": each(moment[order]),
            "visitor": each(visitors),
            "surface": ["home"] * (n * positions),
            "slate": each(_numbered("S", np.arange(1, n + 1), 8)),
            "position": np.tile(np.arange(1, positions + 1), n),
            "product": truth.products.ids[slates.product[order].ravel()],
            "propensity": slates.propensity[order].ravel(),
            "arm": each(np.array(truth.logging.arms, dtype=object)[slates.arm[order]]),
            "outcome": slates.clicked[order].ravel().astype(np.int64),
            "segment": each(truth.segments.ids[truth.segment[person]]),
        }
    ).with_columns(_iso("time"))


def _prices(truth: MarketTruth) -> pl.DataFrame:
    """The listing log: what each product cost and was sold for, and on how many days, per segment and week."""
    import polars as pl

    on_offer = np.add.reduceat(truth.offered, np.arange(0, truth.days, WEEK), axis=1)  # [m, w]
    week, product, segment = np.meshgrid(
        np.arange(truth.cost.shape[1]), np.arange(len(truth.products)), np.arange(len(truth.segments)), indexing="ij"
    )
    w, j, s = week.ravel(), product.ravel(), segment.ravel()
    listed = on_offer[j, w] > 0
    w, j, s = w[listed], j[listed], s[listed]
    regular, trials = truth.price.astype(np.float64), truth.experiments
    regular[trials.segment, trials.product, trials.week] = trials.planned
    return pl.DataFrame(
        {
            "week": truth.start + w * (WEEK * DAY),
            "segment": truth.segments.ids[s],
            "product": truth.products.ids[j],
            "price": truth.price[s, j, w].astype(np.float64).round(2),
            "cost": truth.cost[j, w].astype(np.float64).round(2),
            "days": on_offer[j, w].astype(np.int64),
            "regular": regular[s, j, w].round(2),  # differs from the price where an experiment ran
        }
    ).with_columns(_iso("week"))


def _names(ids: NDArray[np.object_], rows: I32) -> NDArray[np.object_]:
    """Ids of rows; None beyond the index: a guest."""
    names = np.full(len(rows), None, dtype=object)
    known = rows < len(ids)
    names[known] = ids[rows[known]]
    return names


def _numbered(prefix: str, numbers: NDArray[Any], width: int) -> NDArray[np.object_]:
    """`O00000012`-like ids."""
    return np.array([f"{prefix}{number:0{width}d}" for number in numbers.tolist()], dtype=object)


def _iso(column: str) -> pl.Expr:
    """Epoch seconds as ISO 8601 text, UTC."""
    import polars as pl

    return pl.from_epoch(pl.col(column), time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias(column)
