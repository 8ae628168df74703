"""What visitors said, part by part: the shop's own midnight, and one contender that cannot be estimated."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from recsys.config import parse
from recsys.contest import visitors
from recsys.contest.evidence import Evidence
from recsys.contract import Scorer
from recsys.data.lake import Lake
from recsys.errors import DataError, RecsysError, StoreError
from recsys.publication import Standing
from recsys.scorers.linear import LinearScorer
from tests.worlds import dataset

DAY = 20_000  # 2024-10-04
NOBODY = Standing(0, None, None, None, (), False)


def evidence(folder: Path, tree: dict[str, Any], names: tuple[str, ...] = (), **known: Any) -> Evidence:
    """Evidence of one night; what is `known` is not read from the lake."""
    records = [{"name": name, "status": "ok", "scorer": {}} for name in names]
    found = Evidence(parse(tree), Lake(str(folder)), {"day": DAY, "seed": 0}, records, NOBODY)
    vars(found).update(known)
    return found


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Asia/Tokyo"])
def test_the_day_ends_at_the_shops_own_midnight(tmp_path: Path, zone: str) -> None:
    """Slates of the night's last local hour are known an hour later; those of the next local day are not."""

    def shown(hour: int, champion: int, ease: int) -> pl.DataFrame:
        day = datetime(2024, 10, 4, 12, tzinfo=ZoneInfo(zone)).replace(hour=hour)
        time = int(day.timestamp())
        rows = [("champion", float(i < champion)) for i in range(300)] + [("ease", float(i < ease)) for i in range(300)]
        return pl.DataFrame(
            [{"time": time, "day": DAY, "surface": "home", "slate": f"{hour}-{i}", "arm": arm, "seller": None,
              "outcome": earned} for i, (arm, earned) in enumerate(rows)],
            schema_overrides={"seller": pl.String},
        )  # fmt: skip

    traffic = {"arms": ["champion", "ease"], "delay_hours": 0}
    tree = {"shop": {"timezone": zone}, "traffic": traffic, "contenders": {"ease": {"family": "ease"}}}
    late = visitors.bandit(evidence(tmp_path, tree, shown=shown(23, 20, 200)))
    assert late.metrics["bandit.share.ease"] == pytest.approx(0.95, abs=0.01)
    tomorrow = shown(1, 20, 200).with_columns(pl.col("time") + 24 * 3600)
    assert visitors.bandit(evidence(tmp_path, tree, shown=tomorrow)).metrics["bandit.share.ease"] == 0.5


def test_a_contender_that_cannot_be_estimated_is_left_out_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset([[0], [1]], 3)
    shown = pl.DataFrame(
        [{"time": DAY * 86_400, "day": DAY, "visitor": f"c00{i % 2}", "surface": "home", "slate": None,
          "product": f"p00{i % 2}", "position": 1, "propensity": 0.5, "outcome": 1.0} for i in range(40)],
        schema_overrides={"slate": pl.String},
    )  # fmt: skip
    sound = LinearScorer(data.space, "none", bias=np.ones((1, 3), dtype=np.float32))
    error: RecsysError = DataError("A scorer", got="another space")

    def load(lake: Lake, record: dict[str, Any]) -> Scorer:
        if record["name"] == "broken":
            raise error
        return sound

    monkeypatch.setattr(visitors, "load_fitted", load)
    asked = evidence(tmp_path, {}, ("broken", "sound"), shown=shown, train=data)
    found = visitors.off_policy(asked)
    assert found.facts["left_out"] == {"broken": "A scorer; got another space."}
    assert [row["contender"] for row in found.tables["off_policy"]] == ["sound", "(the log itself)"]
    assert found.metrics["off_policy.sound"] == pytest.approx(1.0)
    error = StoreError("The lake does not answer")
    with pytest.raises(StoreError):
        visitors.off_policy(asked)
