"""Facts of the optional tasks: numbers become metrics, tables become files, what is lost is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys.tracking import facts
from tests.tracking import world


class Client:
    """What a client of MLflow was asked to keep."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def log_dict(self, run: str, value: dict[str, Any], path: str) -> None:
        self.kept[path] = value

    def log_artifact(self, run: str, file: str, folder: str) -> None:
        self.kept[f"{folder}/{Path(file).name}"] = Path(file).read_bytes()


def test_numbers_and_tables(tmp_path: Path) -> None:
    lake = world.lake_of(world.settings(tmp_path))
    ref = lake.put_new("nights/x/elasticities.json.gz", b"rows", 3).json()
    told = {
        "demand": {
            "status": "ok",
            "metrics": {"elasticity": -2.5, "gap": float("nan"), "words": "x", "flag": True, "none": None},
            "tables": {"elasticities": ref, "gone": {**ref, "path": "nights/x/gone"}, "odd": {}},
        },
        "assortment": {"status": "none", "reason": "No assortment was planned."},
    }
    assert facts.metrics_of_facts(told) == {"demand/elasticity": -2.5}
    client = Client()
    assert facts.log_facts(client, "run", lake, told) == ["demand/gone", "demand/odd"]
    assert set(client.kept) == {"facts/demand.json", "facts/assortment.json", "facts/demand/elasticities.json.gz"}
    assert client.kept["facts/demand/elasticities.json.gz"] == b"rows"
    assert client.kept["facts/assortment.json"]["reason"] == "No assortment was planned."


def test_a_large_table_stays_in_the_lake(tmp_path: Path, monkeypatch: Any) -> None:
    lake, client = world.lake_of(world.settings(tmp_path)), Client()
    monkeypatch.setattr(facts, "LARGEST", 3)
    ref = lake.put_new("nights/x/t.parquet", b"rows").json()
    assert facts.log_facts(client, "run", lake, {"demand": {"tables": {"t": ref}}}) == []
    assert set(client.kept) == {"facts/demand.json"}
