"""Running A/B tests out of the lake's tables: who counts, what is joined, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from recsys.config import Trial
from recsys.contest import trials
from recsys.errors import DataError

START = 19_723  # 2024-01-01
TRIAL = Trial(arms=("als", "ease"), start="2024-01-01", metric="response", planned=300)


def shown(rng: np.random.Generator, n: int, rates: dict[str, float], day: int = START) -> pl.DataFrame:
    """n visitors per arm, two exposures each, clicking with the arm's rate."""
    rows: list[dict[str, Any]] = []
    for arm, rate in rates.items():
        for i in range(n):
            for place in (1, 2):
                rows.append({"day": day + i % 14, "visitor": f"{arm}{i}", "surface": "home", "arm": arm,
                             "outcome": float(place == 1 and rng.random() < rate)})  # fmt: skip
    return pl.DataFrame(rows)


def lines(*rows: tuple[int, str, str, float, float]) -> pl.DataFrame:
    """(day, customer, order, units, revenue)."""
    return pl.DataFrame(
        rows, schema={"day": pl.Int32, "customer": str, "order": str, "units": float, "revenue": float}, orient="row"
    )


def test_a_better_arm_wins_and_its_numbers_are_in_the_table() -> None:
    log = shown(np.random.default_rng(0), 600, {"als": 0.1, "ease": 0.25})
    reading = trials.read_trial("home", TRIAL, log, None, START + 20)
    assert reading.verdict.winner == "ease"
    assert [arm.visitors for arm in reading.arms] == [600, 600]
    rows = trials.comparisons("home", reading)
    own = next(row for row in rows if row["metric"] == "response")
    assert own["treatment"] - own["control"] == pytest.approx(own["difference"])
    assert own["low"] < 0.15 < own["high"]
    assert tuple(own) == trials.COLUMNS


def test_the_level_of_the_intervals_is_shared_out_over_the_arms() -> None:
    log = shown(np.random.default_rng(0), 200, {"als": 0.1, "ease": 0.25, "blend": 0.2})
    three = TRIAL.model_copy(update={"arms": ("als", "ease", "blend"), "alpha": 0.04})
    assert trials.reading_json(trials.read_trial("home", three, log, None, START + 20))["level"] == 0.98
    two = log.filter(pl.col("arm") != "blend")
    assert trials.reading_json(trials.read_trial("home", TRIAL, two, None, START + 20))["level"] == 0.95


def test_a_worse_arm_is_vetoed_where_the_champion_is_the_control() -> None:
    log = shown(np.random.default_rng(1), 600, {"als": 0.25, "ease": 0.1})
    reading = trials.read_trial("home", TRIAL, log, None, START + 20)
    assert trials.vetoes({"home": reading}, "als", ["als", "ease"]) == {
        "ease": "A/B test home shows it worse on response"
    }
    assert trials.vetoes({"home": reading}, "somebody", ["als", "ease"]) == {}
    assert trials.vetoes({"home": reading}, "als", ["als"]) == {}


def test_an_unknown_arm_is_named_with_its_rows() -> None:
    log = shown(np.random.default_rng(2), 10, {"als": 0.1, "ease": 0.2, "lightfm": 0.3})
    with pytest.raises(DataError, match=r"lightfm \(20 exposures\)"):
        trials.read_trial("home", TRIAL, log, None, START + 20)


def test_only_the_days_and_the_surface_of_the_test_count() -> None:
    log = shown(np.random.default_rng(3), 200, {"als": 0.2, "ease": 0.2})
    early = log.with_columns(day=pl.col("day") - 30, arm=pl.lit("older"))
    other = log.with_columns(surface=pl.lit("basket"), arm=pl.lit("stranger"))
    trial = TRIAL.model_copy(update={"surface": "home"})
    reading = trials.read_trial("home", trial, pl.concat([log, early, other]), None, START + 6)
    assert sum(arm.visitors for arm in reading.arms) == 2 * (14 * 7 + 4)  # days 0 to 6 of every 14 visitors


def test_one_sided_traffic_decides_nothing() -> None:
    log = shown(np.random.default_rng(4), 300, {"als": 0.2})
    reading = trials.read_trial("home", TRIAL, log, None, START + 20)
    assert reading.status == "refused"
    assert reading.verdict.winner is None
    assert "one-sided" in reading.reasons[0]
    assert trials.vetoes({"home": reading}, "als", ["ease"]) == {}


def test_orders_are_joined_by_the_customers_id_and_the_past_explains() -> None:
    rng = np.random.default_rng(5)
    log = shown(rng, 200, {"als": 0.2, "ease": 0.2})
    taste = {visitor: float(rng.gamma(2, 10)) for visitor in log["visitor"].unique().sort().to_list()}
    rows = [(START + 3, v, f"o{v}", 1.0, t + float(rng.random())) for v, t in taste.items()]
    rows += [(START - 4, v, f"b{v}", 1.0, t + float(rng.random())) for v, t in taste.items()]
    rows += [(START - 60, "als0", "long ago", 1.0, 1e6), (START + 16, "als0", "after", 1.0, 1e6)]
    trial = TRIAL.model_copy(update={"end": "2024-01-15", "metric": "revenue_per_visitor"})
    reading = trials.read_trial("home", trial, log, lines(*rows), START + 20)
    own = {c.metric: c for c in reading.comparisons}
    assert own["conversion"].control == own["conversion"].treatment == 1.0
    assert own["revenue_per_visitor"].explained > 0.9  # CUPED: the same days before the test
    assert own["revenue_per_visitor"].control < 100  # what lies before and after the test does not count
    assert own["items_per_order"].control == 1.0


def test_a_metric_nobody_can_answer_is_refused() -> None:
    log = shown(np.random.default_rng(6), 20, {"als": 0.2, "ease": 0.2})
    with pytest.raises(DataError, match="conversion"):
        trials.read_trial("home", TRIAL.model_copy(update={"metric": "conversion"}), log, None, START + 20)
