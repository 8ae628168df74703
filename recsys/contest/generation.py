"""The files of one generation: lists, related products, complements, scorers by role, traffic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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


def files_of(
    settings: Settings,
    lake: Lake,
    night: Mapping[str, Any],
    champion: str,
    record: Record,
    fits: Mapping[str, Record],
    assortment: Mapping[str, Any] | None = None,
) -> tuple[dict[str, bytes], dict[str, int], dict[str, Any]]:
    """(files, rows per table, facts for the manifest) of the generation that serves `champion`.

    The champion's lists and scorer must be there; what stands beside them may be lost, with the reason under `lost`.
    """
    data = lake.read_value(Dataset, ref_from(night["dataset"]))
    scorer = load_fitted(lake, record)
    ladder = [scorer, popular_lately(data), _popularity(data, {})]
    rungs = [champion, "popular lately in the segment", "popular of all time"]
    size, version = settings.publishing.size, f"{night['as_of']}-{night['key'][:8]}"
    label = Label("home", "champion", champion, version)
    ids = active_customers(data, settings.publishing.active_days)
    lists, shares = customer_lists(
        data, ladder, ids, size, repeats=settings.publishing.repeats, label=label, rungs=rungs
    )
    tables = {"lists": lists.extend(segment_lists(data, ladder, size, label)), "products": _products(data)}
    files = {f"{name}.parquet": _parquet(table) for name, table in tables.items()}
    files["champion.safetensors"] = lake.read(ref_from(record["scorer"]))
    rows = {f"{name}.parquet": table.height for name, table in tables.items()}
    beside: dict[str, Callable[[], Files]] = {
        "related": lambda: _beside(settings, lake, data, fits, ("related", RELATED), version),
        "complements": lambda: _beside(settings, lake, data, fits, ("complements", COMPLETE), version),
        "complements.safetensors": lambda: _role(lake, fits, COMPLETE, "complements.safetensors"),
        "assortment": lambda: assortment_files(lake, assortment or {}),
        "search": lambda: search_files(settings, lake, night),
    }
    lost: dict[str, str] = {}
    for name, make in beside.items():
        (more, more_rows), why = tried(name, make, NOTHING)
        files, rows = files | more, rows | more_rows
        lost |= {name: why} if why else {}
    facts = {"rungs": shares, "customers": len(ids), "version": version, "sizes": dict(night["sizes"])}
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


def _beside(
    settings: Settings,
    lake: Lake,
    data: Dataset,
    fits: Mapping[str, Record],
    shown: tuple[str, tuple[str, ...]],
    version: str,
) -> Files:
    """The table `shown` names, by the first of its families that was fitted."""
    name, families = shown
    record = _first_fitted(fits, families)
    if record is None:
        return NOTHING
    label = Label(SURFACES[name], "champion", record["name"], version)
    basket = record["family"] == "complements"
    reason = "often bought in the same order" if basket else "bought by the same customers"
    scorer, size = load_fitted(lake, record), settings.publishing.related
    table = product_lists(data, scorer, size, label, basket=basket, reason=reason)
    return {f"{name}.parquet": _parquet(table)}, {f"{name}.parquet": table.height}


def _role(lake: Lake, fits: Mapping[str, Record], families: tuple[str, ...], name: str) -> Files:
    record = _first_fitted(fits, families)
    return NOTHING if record is None else ({name: lake.read(ref_from(record["scorer"]))}, {})


def _products(data: Dataset) -> Any:
    import polars as pl

    c, space = data.catalogue, data.space
    sellers = [space.sellers.ids[s] if s >= 0 else None for s in c.seller]
    texts: dict[str, Any] = {"product": space.products.ids, "title": c.title, "category": c.category, "seller": sellers}
    columns = {name: pl.Series(name, list(values), dtype=pl.String) for name, values in texts.items()}
    return pl.DataFrame({**columns, "price": c.price, "available": c.available})


def _parquet(table: Any) -> bytes:
    buffer = BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
