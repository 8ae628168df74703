"""A small published night, as the lake and the steps leave it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake

LISTS = {"alice": ["mug", "poster"], "bob": ["canvas", "mug", "poster"], "segment:UK": ["mug"], "default": ["poster"]}


def settings(folder: Path, url: str = "") -> Settings:
    tree = {"shop": {"name": "corner"}, "runtime": "run", "folder": str(folder), "tracking": {"url": url}}
    return Settings.model_validate(tree)


def lake_of(one: Settings) -> Lake:
    return Lake(str(one.lake_folder))


def night(day: int = 8) -> dict[str, Any]:
    """What `prepare` returns."""
    return {
        "as_of": f"2011-12-{day:02}",
        "day": 15308 + day,
        "key": f"key{day}",
        "run": f"manual__{day}",
        "code": "c0ffee",
        "lake": "lake",
        "seed": 7,
        "dataset": {"path": "datasets/x", "sha256": "d" * 64, "rows": 0},
        "digest": "e" * 64,
        "sizes": {"customers": 2, "products": 3},
    }


def track(mean: float) -> dict[str, Any]:
    interval = {"mean": mean, "low": mean - 0.01, "high": mean + 0.02, "n": 40}
    return {
        "track": "new",
        "metrics": {"ndcg_at_10": interval, "hit_at_10": {**interval, "mean": None, "low": None, "high": None}},
        "whole": {"coverage_at_10": 0.5, "score_seconds": 0.1},
        "groups": {"cold": {"ndcg_at_10": mean / 2, "n": 5}},
    }


def record(lake: Lake, name: str, mean: float) -> dict[str, Any]:
    """An ok backtest whose fit reported two epochs."""
    folder = f"fits/{name}/k"
    lake.put_json(f"{folder}/record.json", {"progress": [{"step": 0, "loss": 0.7}, {"step": 1, "loss": 0.4}]})
    return {
        "name": name,
        "family": name.split("_")[0],
        "status": "ok",
        "reason": "",
        "settings": {"factors": 16, "loss": "warp"},
        "fit_seconds": 1.5,
        "peak_memory_mb": 80.0,
        "epochs": 2,
        "scorer": {"path": f"{folder}/scorer.safetensors", "sha256": "f" * 64, "rows": 0},
        "tracks": {"new": track(mean), "repeats": track(mean * 2)},
    }


def failed(name: str) -> dict[str, Any]:
    return {"name": name, "family": "lightfm", "status": "failed", "reason": "ran out of memory", "settings": {}}


def publish(lake: Lake, champion: str, day: int = 8) -> dict[str, Any]:
    """Commit a generation; returns what the publish step returns."""
    rows = [(c, rank + 1, p) for c, products in LISTS.items() for rank, p in enumerate(products)]
    table = pl.DataFrame(
        {
            "arm": ["champion"] * len(rows),
            "customer": [r[0] for r in rows],
            "rank": [r[1] for r in rows],
            "product": [r[2] for r in rows],
        }
    )
    buffer = BytesIO()
    table.write_parquet(buffer)
    manifest = {"key": f"key{day}", "as_of": f"2011-12-{day:02}", "day": 15308 + day, "champion": champion}
    files = {"lists.parquet": buffer.getvalue(), "champion.safetensors": b"arrays"}
    entry = publication.publish(lake, publication.standing(lake).number, files, manifest, {})
    return {"generation": entry.name, "current": True, "champion": champion, "as_of": manifest["as_of"]}


def decision(champion: str, backtests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "champion": champion,
        "previous": None,
        "action": "first",
        "reasons": [f"{champion} is best."],
        "leaderboard": backtests,
        "digests": {"data": "e" * 64, "config": "5e77"},
    }


def whole_night(one: Settings, champion: str = "ease", day: int = 8) -> tuple[Lake, tuple[Any, ...]]:
    """The lake, and what `mirror` is given after it."""
    lake = lake_of(one)
    records = [record(lake, "ease", 0.2), record(lake, "als_small", 0.1), failed("lightfm_warp")]
    published = publish(lake, champion, day)
    return lake, (night(day), records, decision(champion, records), published)
