"""The files of one generation: lists, related products, complements, scorers by role, traffic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

from recsys.config import Settings
from recsys.contest.optional import tried
from recsys.contest.record import Record, load_fitted
from recsys.contest.searching import search_files
from recsys.contract import Dataset, Run, Scorer
from recsys.data.lake import Lake, ref_from
from recsys.models import catalog
from recsys.ranking.lists import Label, active_customers, customer_lists, product_lists, segment_lists

Files = tuple[dict[str, bytes], dict[str, int]]  # by name, and the rows of those that are tables
NOTHING: Files = ({}, {})
SURFACES = {"related": "related", "complements": "complete"}
RELATED, COMPLETE = ("item_neighbours", "ease", "als"), ("complements", "item_neighbours")


def popular_lately(data: Dataset) -> Scorer:
    """Sales of the last 28 days per segment: the rung below every contender."""
    return _popularity(data, {"window_days": 28, "per_segment": True})


@dataclass(frozen=True)
class Material:
    """What a generation is made from; the data is read once, and its popularity counted once, for all arms."""

    settings: Settings
    lake: Lake
    night: Mapping[str, Any]
    fits: Mapping[str, Record]

    @cached_property
    def data(self) -> Dataset:
        return self.lake.read_value(Dataset, ref_from(self.night["dataset"]))

    @cached_property
    def popular(self) -> Scorer:
        return popular_lately(self.data)

    @property
    def version(self) -> str:
        return f"{self.night['as_of']}-{self.night['key'][:8]}"


def files_of(
    of: Material, champion: str, record: Record, assortment: Mapping[str, Any] | None = None
) -> tuple[dict[str, bytes], dict[str, int], dict[str, Any]]:
    """(files, rows per table, facts for the manifest) of the generation that serves `champion`.

    The champion's lists and scorer must be there; what stands beside them may be lost, with the reason under `lost`.
    """
    data, lake, given = of.data, of.lake, of.settings.publishing
    ladder = [load_fitted(lake, record), of.popular, _popularity(data, {})]
    rungs = [champion, "popular lately in the segment", "popular of all time"]
    label = Label("home", "champion", champion, of.version)
    ids = active_customers(data, given.active_days)
    lists, shares = customer_lists(data, ladder, ids, given.size, repeats=given.repeats, label=label, rungs=rungs)
    tables = {"lists": lists.extend(segment_lists(data, ladder, given.size, label)), "products": _products(data)}
    files = {f"{name}.parquet": parquet(table) for name, table in tables.items()}
    files["champion.safetensors"] = lake.read(ref_from(record["scorer"]))
    rows = {f"{name}.parquet": table.height for name, table in tables.items()}
    beside: dict[str, Callable[[], Files]] = {
        "related": lambda: _beside(of, "related", RELATED),
        "complements": lambda: _beside(of, "complements", COMPLETE),
        "complements.safetensors": lambda: _role(of, COMPLETE, "complements.safetensors"),
        "assortment": lambda: assortment_files(lake, assortment or {}),
        "search": lambda: search_files(of.settings, lake, of.night),
    }
    lost: dict[str, str] = {}
    for name, make in beside.items():
        (more, more_rows), why = tried(name, make, NOTHING)
        files, rows = files | more, rows | more_rows
        lost |= {name: why} if why else {}
    facts = {"rungs": shares, "customers": len(ids), "version": of.version, "sizes": dict(of.night["sizes"])}
    return files, rows, {**facts, "lost": lost}


def assortment_files(lake: Lake, assortment: Mapping[str, Any]) -> Files:
    """What the night planned for the segments: its table, the choice models behind it, its summary."""
    files: dict[str, bytes] = {}
    rows: dict[str, int] = {}
    for ref in map(ref_from, assortment.get("tables", {}).values()):
        name = ref.path.rsplit("/", 1)[-1]
        files[name], rows[name] = lake.read(ref), ref.rows
    if files:
        summary = {k: v for k, v in assortment.items() if k != "tables"}
        files["assortment.json"] = json.dumps(summary, sort_keys=True).encode()
    return files, rows


def _popularity(data: Dataset, settings: Mapping[str, Any]) -> Scorer:
    from recsys.errors import FitError

    try:
        return catalog.build("popularity", settings).fit(data, Run()).scorer
    except FitError:  # no order in the window
        return catalog.build("popularity", {"per_segment": True}).fit(data, Run()).scorer


def _first_fitted(fits: Mapping[str, Record], families: tuple[str, ...]) -> Record | None:
    """The fit of the first of the families that has one."""
    for family in families:
        for name in sorted(fits):
            if fits[name].get("family") == family and fits[name]["status"] == "ok":
                return fits[name]
    return None


def _beside(of: Material, name: str, families: tuple[str, ...]) -> Files:
    """The table of that name, by the first of the families that was fitted."""
    record = _first_fitted(of.fits, families)
    if record is None:
        return NOTHING
    label = Label(SURFACES[name], "champion", record["name"], of.version)
    basket = record["family"] == "complements"
    reason = "often bought in the same order" if basket else "bought by the same customers"
    scorer, size = load_fitted(of.lake, record), of.settings.publishing.related
    table = product_lists(of.data, scorer, size, label, basket=basket, reason=reason)
    return {f"{name}.parquet": parquet(table)}, {f"{name}.parquet": table.height}


def _role(of: Material, families: tuple[str, ...], name: str) -> Files:
    record = _first_fitted(of.fits, families)
    return NOTHING if record is None else ({name: of.lake.read(ref_from(record["scorer"]))}, {})


def _products(data: Dataset) -> Any:
    import polars as pl

    c, space = data.catalogue, data.space
    sellers = [space.sellers.ids[s] if s >= 0 else None for s in c.seller]
    texts: dict[str, Any] = {"product": space.products.ids, "title": c.title, "category": c.category, "seller": sellers}
    columns = {name: pl.Series(name, list(values), dtype=pl.String) for name, values in texts.items()}
    return pl.DataFrame({**columns, "price": c.price, "available": c.available})


def parquet(table: Any) -> bytes:
    """A table as the bytes of a file."""
    buffer = BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
