"""The step that plans assortments, on stored fits: a recommender and a choice scorer as champion."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsys import steps
from recsys.assortment import envelope
from recsys.assortment.instance import Instance
from recsys.assortment.read import instance_of
from recsys.config import Settings
from recsys.contest import assortments
from recsys.contest.assortments import nightly, plan
from recsys.contest.generation import assortment_files
from recsys.contest.offered import Market, choice_feed, markets
from recsys.contract import Dataset, Run
from recsys.data.lake import Lake, ref_from
from recsys.models import catalog
from recsys.models.logit import Logit
from tests import worlds
from tests.contest.chance_world import held_out
from tests.models import choice_world

SETTINGS = Settings.model_validate({"publishing": {"assortment": 4}})


def world() -> Dataset:
    return worlds.checkerboard(120, 12)


def books(lake: Lake, data: Dataset, held: Any = None) -> dict[str, Any]:
    """What a night says of itself."""
    held = held or held_out(data, [c for c in range(120) if c % 3])
    return {
        "as_of": "2024-01-01", "key": "abc", "day": 19_723, "dataset": lake.put_value("d", data).json(),
        "train": lake.put_value("t", data).json(), "held": lake.put_value("h", held).json(),
    }  # fmt: skip


def record(lake: Lake, name: str, scorer: Any) -> dict[str, Any]:
    from recsys.scorers.store import scorer_bytes

    ref = lake.put_new(f"fits/{name}.safetensors", scorer_bytes(scorer))
    return {"name": name, "family": name, "status": "ok", "scorer": ref.json()}


def test_a_recommender_is_champion_and_named_as_calibrated(tmp_path: Any) -> None:
    data, lake = world(), Lake(str(tmp_path))
    night = books(lake, data)
    fit = record(lake, "item_neighbours", catalog.build("item_neighbours", {}).fit(data, Run()).scorer)
    facts = nightly(SETTINGS, lake, night, "item_neighbours", [fit], [fit])
    assert facts["status"] == "ok"
    assert facts["kind"] == "recommender"
    assert facts["calibration"]["sharpness"] > 0
    assert [s["segment"] for s in facts["segments"]] == ["seg000", "seg001"]
    assert "0 orders" in facts["skipped"][0]["reason"]
    table = lake.read_frame(ref_from(facts["tables"]["assortment"]))
    assert set(table["source"]) == {"calibrated probabilities of item_neighbours"}
    assert table.filter(pl.col("action") != "drop").group_by("segment").len()["len"].to_list() == [4, 4]
    even = table.filter(pl.col("segment") == "seg000", pl.col("action") != "drop")["product"]
    assert {int(p[1:]) % 2 for p in even} == {0}  # who buys even products is offered even products
    assert (table["share_change"] - (table["share_after"] - table["share_before"])).abs().max() == 0
    for segment in facts["segments"]:
        assert segment["gap"] == 0
        assert segment["value"] >= segment["value_today"] > 0
    assert nightly(SETTINGS, lake, night, "item_neighbours", [fit], [fit]) == facts
    files, rows = assortment_files(lake, facts)
    assert set(files) == {"assortment.parquet", "choices.json.gz", "assortment.json"}
    assert rows["assortment.parquet"] == table.height


def test_a_champion_without_a_backtest_is_replaced_by_what_sells_lately(tmp_path: Any) -> None:
    data, lake = world(), Lake(str(tmp_path))
    fit = record(lake, "ease", catalog.build("ease", {}).fit(data, Run()).scorer)
    lost = {"name": "ease", "status": "failed", "reason": "deadline"}
    facts = nightly(SETTINGS, lake, books(lake, data), "ease", [fit], [lost])
    assert facts["segments"][0]["source"].startswith("calibrated probabilities of popular lately in the segment (ease")
    assert facts == nightly(SETTINGS, lake, books(lake, data), "ease", [fit], [])


def test_a_backtest_that_was_killed_is_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning an assortment is no place to train: a killed fit is stored nowhere, so asking for it would start it."""
    data, lake = world(), Lake(str(tmp_path))
    (tmp_path / "recsys.toml").write_text('[contenders.ease]\nfamily = "ease"\n')
    night = {**books(lake, data), "config": str(tmp_path / "recsys.toml"), "lake": str(tmp_path), "seed": 0,
             "contenders": ["ease"], "fit_seconds": 60.0, "fit_memory_mb": 4000}  # fmt: skip
    fit = record(lake, "ease", catalog.build("ease", {}).fit(data, Run()).scorer)
    killed = {"name": "ease", "status": "failed", "reason": "The fit was killed by signal SIGKILL."}

    def started(*_: object, **__: object) -> None:
        raise AssertionError("a fit was started")

    monkeypatch.setattr("recsys.contest.record.fit", started)
    facts = steps.assort(night, [killed], {"champion": "ease"}, [fit])
    assert facts["status"] == "ok", facts["reason"]
    assert "popular lately" in facts["reason"]


def test_a_choice_scorer_feeds_it_directly_and_the_set_is_the_best_of_all() -> None:
    data = choice_world.data()
    scorer = Logit(draws=0, instruments=("cost",)).fit(data, Run()).scorer
    feed = choice_feed(scorer, "logit")  # type: ignore[arg-type]
    entries = plan(data, feed, SETTINGS, 100_000_000)
    from itertools import combinations

    from recsys.assortment.instance import value

    for entry, market in zip(entries, markets(data, SETTINGS)[0], strict=True):
        instance, best = feed(market), 0.0
        for rows in combinations(range(instance.n), 4):
            flags = np.zeros(instance.n, dtype=bool)
            flags[list(rows)] = True
            best = max(best, value(instance, flags))
        assert entry["segment"] == market.name
        assert entry["value"] == pytest.approx(best, rel=1e-9)
        assert entry["keep"] + entry["add"] == 4


def test_nothing_to_plan_says_so(tmp_path: Any) -> None:
    data, lake = worlds.checkerboard(20, 12), Lake(str(tmp_path))
    fit = record(lake, "ease", catalog.build("ease", {}).fit(data, Run()).scorer)
    night = books(lake, data, held_out(data, [1, 2, 4]))
    facts = nightly(SETTINGS, lake, night, "ease", [fit], [fit])
    assert facts["status"] == "none"
    assert facts["reason"] == "No segment could be planned: 3 too small or without an answer."
    assert assortment_files(lake, facts) == ({}, {})


def mixed_world() -> tuple[Dataset, Any]:
    """A checkerboard whose segments hold two types of visitors each, who share no taste."""
    data = worlds.checkerboard(120, 24)

    def feed(market: Market) -> Instance:
        rng = np.random.default_rng(market.segment)
        utilities = rng.normal(0, 1.5, (5, len(market.rows)))
        raw = {"model": "mixed_logit", "weights": [0.3, 0.2, 0.2, 0.2, 0.1], "utilities": utilities.tolist()}
        found = instance_of({**raw, "revenues": rng.lognormal(2, 0.5, len(market.rows)).tolist()})
        return replace(found, ids=market.traits.ids)

    return data, feed


def test_a_slower_machine_plans_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every evaluation delayed, twice as long the second time: set, bound and gap are equal to the last digit."""
    data, feed = mixed_world()
    settings = Settings.model_validate({"publishing": {"assortment": 8}})
    bounds = envelope.bounds

    def digest(delay: float, work: int) -> str:
        def slow(*given: Any) -> Any:
            time.sleep(delay)
            return bounds(*given)

        monkeypatch.setattr(envelope, "bounds", slow)
        return json.dumps(plan(data, feed, settings, work), sort_keys=True)

    small = 1_500_000
    assert digest(0.0, small) == digest(0.005, small) == digest(0.01, small)
    assert digest(0.0, small) != digest(0.0, 60 * small)  # the budget did end it
    first = json.loads(digest(0.0, small))[0]
    assert first["gap"] > 0
    assert not any("clock" in note for note in first["notes"])


def test_a_search_that_the_clock_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data, feed = mixed_world()
    monkeypatch.setattr(assortments, "SECONDS", 0.0)
    first = plan(data, feed, SETTINGS, assortments.ENTRIES)[0]
    assert any("The clock ended the search" in note for note in first["notes"])
