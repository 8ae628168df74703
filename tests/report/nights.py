"""Small nights to render: a real lake and generations, a decision and a leaderboard made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from recsys import publication
from recsys.config import load
from recsys.data import ingest as door
from recsys.data.lake import Lake
from recsys.report.page import Page

AS_OF, DAY = "2024-03-10", 19_792
TOML = """
[shop]
name = "toys"
currency = "EUR"
[orders]
path = "orders.csv"
[contest]
at = [2, 3]
primary = "ndcg_at_2"
draws = 100
"""
EVIL = '<script>alert("x")</script>'
# product -> (seller, title); order -> (customer, day of March, products)
GOODS = {
    "a1": ("anna", EVIL), "a2": ("anna", "Anna's kite"), "b1": ("bert & <b>co</b>", "Bert's top"),
    "b2": ("bert & <b>co</b>", "Bert's drum"), "c1": ("cleo", "Cleo's ball"),
}  # fmt: skip
ORDERS: Mapping[str, tuple[str, int, Sequence[str]]] = {
    "o1": ("u1", 1, ["a1"]), "o2": ("u1", 2, ["a1", "b1"]), "o3": ("u2", 8, ["b1"]), "o4": ("u2", 9, ["b2", "a2"]),
    "o5": ("u3", 10, ["a2"]), "o6": ("", 10, ["c1"]), "o7": ("u3", 10, ["b1"]),
}  # fmt: skip
PRICES = {"a1": 10.0, "a2": 20.0, "b1": 5.0, "b2": 8.0, "c1": 3.0}
LISTS = {"u1": ["b2", "a2", "c1"], "u2": ["a1", "c1", "a2"], "u3": ["a1", "b2", "c1"]}
BESIDE = {"a1": ["b1", "a2"], "a2": ["a1"], "b1": ["a1"]}


def metric(mean: float, n: int = 40) -> dict[str, Any]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.012, "n": n}


def row(name: str, mean: float) -> dict[str, Any]:
    """A leaderboard row that came to an end."""
    tracks = {
        "new": {"metrics": {"ndcg_at_2": metric(mean)}, "whole": {"coverage_at_2": 0.25}, "groups": {}},
        "basket": {"metrics": {"hit_at_2": metric(mean + 0.1, 30)}, "whole": {}, "groups": {}},
    }
    return {
        "name": name, "family": name, "status": "ok", "reason": "", "fit_seconds": 1.25, "peak_memory_mb": 80.0,
        "settings": {}, "tracks": tracks,
    }  # fmt: skip


def failed(name: str, reason: str) -> dict[str, Any]:
    return {**row(name, 0.0), "status": "failed", "reason": reason, "tracks": {}, "fit_seconds": 0.0}


def decision(board: Sequence[Mapping[str, Any]], champion: str | None = "ease") -> dict[str, Any]:
    test = {
        "challenger": "ease", "against": "popularity_28d", "n": 40, "difference": 0.02, "low": 0.01, "high": 0.03,
        "p": 0.001, "p_holm": 0.002, "relative": 0.2, "revenue_low": None,
    }  # fmt: skip
    return {
        "action": "first" if champion else "none", "champion": champion, "previous": None, "gates": {},
        "reasons": ["ease is the first champion."] if champion else ["Nobody passed."],
        "tests": [test] if champion else [], "power": {"chance": {"10%": 0.9, "5%": 0.42}} if champion else {},
        "argmax": champion,
        "leaderboard": list(board), "evidence": {}, "path": "", "base": 0,
    }  # fmt: skip


def shop(root: Path) -> tuple[Any, Lake]:
    """Settings and a lake that holds ORDERS."""
    lines = ["order,customer,product,seller,quantity,price,time,segment,title"]
    for order, (customer, day, products) in ORDERS.items():
        for product in products:
            seller, title = GOODS[product]
            told = title.replace('"', '""')
            when = f"2024-03-{day:02d}T12:00:00Z"
            lines.append(f'{order},{customer},{product},{seller},1,{PRICES[product]},{when},north,"{told}"')
    (root / "orders.csv").write_text("\n".join(lines) + "\n")
    (root / "recsys.toml").write_text(TOML)
    settings = load(root / "recsys.toml")
    lake = Lake(str(settings.lake_folder))
    door.ingest(lake, door.sources_of(settings), settings.shop)
    return settings, lake


def lists_table(lists: Mapping[str, Sequence[str]], owner: str = "customer") -> pl.DataFrame:
    rows = [(who, rank + 1, p, "ease") for who, products in lists.items() for rank, p in enumerate(products)]
    return pl.DataFrame(rows, schema=[owner, "rank", "product", "contender"], orient="row")


def products_table(without: Sequence[str] = ()) -> pl.DataFrame:
    rows = [(p, t, "toy", s, PRICES[p], p != "b2") for p, (s, t) in GOODS.items() if p not in without]
    return pl.DataFrame(rows, schema=["product", "title", "category", "seller", "price", "available"], orient="row")


def publish(
    lake: Lake, base: int, as_of: str, told: Mapping[str, Any], lists: Any = LISTS, without: Sequence[str] = ()
) -> dict[str, Any]:
    """A generation of the tables above; returns what `steps.publish` would."""
    tables = {
        "lists": lists_table(lists), "complements": lists_table(BESIDE, "beside"), "products": products_table(without)
    }  # fmt: skip
    files = {f"{name}.parquet": _parquet(table) for name, table in tables.items()}
    files["allocation.json"] = (
        b'{"arms": {"champion": 1.0}, "sellers": {"anna": {"champion": 0.5, "ease": 0.5}}, "off": ["cleo"]}'
    )
    path = lake.put_json(f"nights/{as_of}/decision.json", dict(told)).path
    closed = lake.put_json(f"nights/{as_of}/closed.json", {"decision": path, "fits": {}}).path
    day = DAY - int(AS_OF[-2:]) + int(as_of[-2:])
    manifest = {
        "key": as_of,
        "as_of": as_of,
        "day": day,
        "champion": told["champion"],
        "night": closed,
        "contenders": [],
    }
    rows = {f"{name}.parquet": table.height for name, table in tables.items()}
    entry = publication.publish(lake, base, files, manifest, rows)
    return {
        "generation": entry.name, "current": True, "champion": told["champion"], "as_of": as_of, "why": "because",
        "rows": rows, "rungs": {"ease": 0.75, "empty": 0.25},
    }  # fmt: skip


def night(**more: Any) -> dict[str, Any]:
    sizes = {"customers": 3, "products": 5, "orders": 7, "held_customers": 40, "held_baskets": 30}
    return {"as_of": AS_OF, "day": DAY, "key": "0123456789abcdef", "run": "manual", "note": "", "sizes": sizes} | more


def page(root: Path, board: Sequence[Mapping[str, Any]] | None = None, **facts: Any) -> Page:
    """A night that was published, with one contender that failed."""
    settings, lake = shop(root)
    rows = [row("ease", 0.1), row("popularity_28d", 0.08), failed("als", EVIL)] if board is None else board
    told = decision(rows)
    return Page(settings, lake, night(), [], told, publish(lake, 0, AS_OF, told), facts)


def empty_page(root: Path) -> Page:
    """A night on which nobody came to an end and nothing was published."""
    settings, lake = shop(root)
    nothing = {"generation": None, "current": False, "why": "No contender came to an end.", "champion": None}
    return Page(
        settings, lake, night(sizes={"customers": 0, "products": 0, "orders": 0}), [], decision([], None), nothing, {}
    )


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
