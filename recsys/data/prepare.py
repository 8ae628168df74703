"""What a night learns from, made once per day and settings: the Dataset, the backtest's past, its held-out days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import narwhals as nw

from recsys.config import Settings
from recsys.data.dataset import Tables, build
from recsys.data.engine import Engine, gather
from recsys.data.ingest import day_name, day_range, lake_orders, lake_table
from recsys.data.lake import Lake
from recsys.data.returns import Frame, net_returns
from recsys.data.split import hold_out
from recsys.errors import EmptyError, UsageError

Json = dict[str, Any]
EPOCH = date(1970, 1, 1).toordinal()


def as_of_day(lake: Lake, asked: str | None) -> tuple[int, str]:
    """The as-of day (days since epoch): the earlier of what was asked for and the last full day in the lake."""
    first, last = day_range(lake)
    if first is None or last is None:
        raise EmptyError(
            "The lake has no orders", cure="Run `recsys ingest`; `recsys check FILE` says why rows are refused."
        )
    if last <= first:
        raise EmptyError(
            "The lake has no full day of orders",
            got=f"orders of {day_name(first)} only, a day that may still be going on",
            wanted="orders of two days or more",
        )
    full = last - 1  # the newest day may still be going on
    if asked is None:
        return full, ""
    day = date.fromisoformat(asked).toordinal() - EPOCH
    if day < first:
        raise UsageError("as_of", got=asked, wanted=f"a day from {date.fromordinal(EPOCH + first)} on")
    if day > full:
        late = day - full
        return full, f"the data end {late} day{'s' if late > 1 else ''} before the day asked for"
    return day, ""


def _last_full(lake: Lake) -> int | None:
    """The day before the newest one, which may still be going on."""
    last = day_range(lake)[1]
    return None if last is None else last - 1


def inputs_of(lake: Lake, day: int) -> list[str]:
    """Digests of every stored file the Dataset of this day is made from."""
    records = lake.read_jsons(lake.paths("ingests"))
    files = [f for r in records for f in r["files"] if f.get("day") is None or f["day"] <= day]
    return sorted(str(f["sha256"]) for f in files)


def returned(lines: Frame, day: int) -> dict[str, float]:
    """What became of the returns up to `day`: those whose purchase nobody can name are counted, not guessed."""
    seen = nw.from_native(lines).filter(nw.col("day") <= day, nw.col("kind") != "non_product")
    return net_returns(gather(seen.to_native()))[1].json()


def tables_until(lake: Lake, day: int, engine: Engine = "polars") -> Tables:
    """Order lines up to `day`; products and customers as they are now."""
    return Tables(lake_orders(lake, day, engine), lake_table(lake, "products"), lake_table(lake, "customers"))


def prepare(lake: Lake, settings: Settings, day: int, folder: str, *, backtest: bool = True) -> Json:
    """Refs and sizes of what is stored under `folder`; raises EmptyError when there is nothing to judge on."""
    name = "prepared" if backtest else "fresh"
    known: Json | None = lake.known(f"{folder}/{name}.json")
    if known is not None:
        return known
    tables = tables_until(lake, day, settings.night.engine)
    data = build(tables if day == _last_full(lake) else _as_known_then(tables, day), day, settings)
    made: Json = {
        "dataset": lake.put_value(f"{folder}/dataset.safetensors", data).json(),
        "digest": data.digest,
        "returns": returned(tables.lines, day),
        "sizes": {
            "customers": len(data.space.customers),
            "products": data.n_products,
            "orders": len(data.baskets),
            "events": len(data.events.product),
        },
    }
    if backtest:
        refs, sizes = _past(lake, settings, tables, day, folder)
        made = {**made, **refs, "sizes": made["sizes"] | sizes}
    stored: Json = lake.once(f"{folder}/{name}.json", lambda: made)
    return stored


def _past(lake: Lake, settings: Settings, tables: Tables, day: int, folder: str) -> tuple[Json, Json]:
    """What was known before the held-out days, and what they showed."""
    past, (first, _) = day - settings.contest.days, day_range(lake)
    if first is not None and past < first:
        raise EmptyError(
            f"The orders up to {day_name(day)} are too few days for a backtest",
            got=f"{day - first + 1} days",
            wanted=f"more than the {settings.contest.days} that [contest] days holds out",
            cure="Set [contest] days lower, or bring older orders.",
        )
    train = build(_as_known_then(tables, past), past, settings)
    held = hold_out(tables.lines, train, day, past + 1, settings)
    refs = {
        "train": lake.put_value(f"{folder}/train.safetensors", train).json(),
        "held": lake.put_value(f"{folder}/held.safetensors", held).json(),
    }
    sizes = {
        "held_customers": len(held.queries),
        "held_products": len(held.truth.product),
        "held_baskets": len(held.baskets),
    }
    return refs, sizes


def _as_known_then(tables: Tables, day: int) -> Tables:
    """The tables of an earlier day: today's stock and prices say nothing about what could be bought then."""
    products = tables.products
    if products is not None:
        products = products.drop([c for c in ("available", "price") if c in products.columns])
    lines = nw.from_native(tables.lines).filter(nw.col("day") <= day).to_native()
    return replace(tables, lines=lines, products=products)
