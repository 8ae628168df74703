"""Blends in a night: what they are lent, and that nothing after the cutoff reaches them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys import steps
from recsys.config import parse
from recsys.contest.blending import lend, parts_of
from recsys.contract import Dataset
from recsys.data.lake import Lake, ref_from
from recsys.errors import ConfigError
from tests import worlds
from tests.test_steps import shop

BLEND = '\n[contenders.joined]\nfamily = "blend"\nparts = ["item_neighbours", "popularity"]\n'


def settings(*parts: str) -> Any:
    tables = {name: {"family": name} for name in ("als", "ease", "popularity")}
    return parse({"contenders": {**tables, "joined": {"family": "blend", "parts": list(parts)}}})


def test_a_blend_joins_what_it_names_or_all_others_entered() -> None:
    assert parts_of(settings("ease", "als"), "joined", ["joined"]) == ["ease", "als"]
    assert parts_of(settings(), "joined", ["als", "joined"]) == ["als"]
    with pytest.raises(ConfigError, match="absent"):
        parts_of(settings("als", "absent"), "joined", ["als", "joined"])
    with pytest.raises(ConfigError, match="joined"):
        parts_of(settings("joined"), "joined", ["joined"])


def test_past_parts_are_fitted_without_the_rows_weights_are_learnt_from(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    data = worlds.checkerboard()
    dataset = lake.put_value("datasets/all.safetensors", data).json()
    asked: list[tuple[str, int, bool]] = []

    def fit_part(name: str, ref: dict[str, Any], warm: bool) -> dict[str, Any]:
        past = lake.read_value(Dataset, ref_from(ref))
        asked.append((name, len(past.events.product), warm))
        return {"status": "failed" if name == "broken" else "ok", "scorer": {"sha256": f"{name}-{warm}"}}

    lent = lend(lake, ["ease", "broken"], dataset, fit_part)
    assert lent == {"ease": {"sha256": "ease-True"}, "past:ease": {"sha256": "ease-False"}}
    everything = len(data.events.product)
    assert asked[0] == ("ease", everything, True)
    assert asked[1] == ("ease", everything - 22, False)  # one product of each customer is hidden


@pytest.mark.slow
def test_a_blend_lives_the_night_and_never_sees_the_held_out_days(tmp_path: Path) -> None:
    params = shop(tmp_path)
    config = tmp_path / "recsys.toml"
    config.write_text(config.read_text() + BLEND)
    night = steps.prepare(steps.ingest(steps.start_night(params)))
    tested = steps.backtest(night, "joined")
    assert tested["status"] == "ok", tested
    assert set(tested["report"]["weights"]) == {"item_neighbours", "popularity"}
    assert tested["report"]["learnt"] is True
    lake = Lake(str(tmp_path / "runtime" / "lake"))
    cutoff = lake.read_value(Dataset, ref_from(night["train"])).as_of
    refs = [lake.read_json(path) for path in lake.paths("blends") if path.endswith(".json")]
    pasts = [lake.read_value(Dataset, ref_from(ref)) for ref in refs]
    assert [np.max(past.events.time) < cutoff for past in pasts] == [True]
    fits = [steps.fit(night, name) for name in ("item_neighbours", "joined")]
    assert [r["status"] for r in fits] == ["ok", "ok"]
    assert set(steps.blend(night, [tested], fits)) == {"joined"}
