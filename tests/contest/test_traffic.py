"""Tomorrow's shares: the bandit's, the seller's own, the switch, and what nobody can serve."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from recsys.config import Traffic, parse
from recsys.contest import traffic
from recsys.contract import DAY
from recsys.ranking.assign import Allocation, allocated

NOW = 100 * DAY


def slates(*groups: tuple[str, int, int], seller: str | None = None, day: int = 90) -> pl.DataFrame:
    """(arm, slates, of which clicked), two places each."""
    rows: list[dict[str, Any]] = []
    for arm, n, wins in groups:
        for i in range(n):
            for place in (1, 2):
                rows.append({"time": day * DAY, "day": day, "surface": "home", "slate": f"{seller}{arm}{day}-{i}",
                             "arm": arm, "seller": seller, "outcome": float(i < wins and place == 2)})  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"seller": pl.String})


def settings(**more: Any) -> Traffic:
    return Traffic(**{"arms": ("als", "champion", "ease"), "seller_exposures": 100} | more)


def shares(given: Traffic, log: pl.DataFrame) -> Allocation:
    return traffic.share_out(given, traffic.pulls(log, given.arms, given), NOW, 0)


def test_a_slate_is_one_pull_whatever_it_holds() -> None:
    found = traffic.pulls(slates(("als", 3, 1), ("stranger", 2, 2)), ("als", "ease"), settings())
    assert len(found) == 3  # a stranger's slates are nobody's
    assert found["outcome"].sum() == 1
    assert set(found["row"]) == {0}


def test_the_best_arm_gets_most_and_nobody_less_than_the_floor() -> None:
    found = shares(settings(floor=0.15), slates(("als", 2000, 60), ("champion", 2000, 160), ("ease", 2000, 60)))
    of = dict(zip(found.arms, found.shares, strict=True))
    assert of["champion"] > 0.85
    assert min(of.values()) >= 0.15 / 3 - 1e-6


def test_what_cannot_have_an_outcome_yet_does_not_count() -> None:
    log = pl.concat(
        [slates(("als", 500, 5), ("champion", 500, 50), ("ease", 500, 5)), slates(("als", 900, 0), day=100)]
    )
    late = shares(settings(delay_hours=48), log)
    assert late == shares(settings(delay_hours=48), log.filter(pl.col("day") == 90))


def test_a_slate_counts_once_its_outcome_had_time_and_fades() -> None:
    """By hand: at day 100 with a delay of 48 h and a half life of 4 days, day 98 weighs 1, day 94 a half."""
    log = pl.concat([slates(("als", 3, 1), day=94), slates(("ease", 2, 2), day=98), slates(("als", 5, 5), day=99)])
    given = settings(arms=("als", "ease", "new"), delay_hours=48, half_life_days=4)
    found = traffic.tally(traffic.pulls(log, given.arms, given), 3, given, NOW)
    assert found.n == pytest.approx([1.5, 2, 0])
    assert found.total == pytest.approx([0.5, 2, 0])
    assert traffic.tally(traffic.pulls(log, given.arms, given), 3, given, 90 * DAY).n.tolist() == [0, 0, 0]


@pytest.mark.parametrize("policy", ["thompson", "gaussian", "ucb", "epsilon"])
def test_an_arm_nobody_has_met_does_not_freeze_the_others(policy: str) -> None:
    log = slates(("als", 400, 10), ("champion", 400, 200), seller="anna")
    found = shares(settings(policy=policy, arms=("als", "champion", "ghost")), log)
    for of in (found.shares, found.of("anna")):
        assert of[2] == pytest.approx(1 / 3, abs=1e-5)
        assert of[1] > 0.5
    assert set(found.sellers) == {"anna"}


def test_a_seller_with_enough_exposures_has_shares_of_its_own() -> None:
    here = slates(("als", 400, 120), ("champion", 400, 10), ("ease", 400, 10), seller="anna")
    few = slates(("als", 20, 1), ("champion", 20, 1), ("ease", 20, 1), seller="bert")
    rest = slates(("als", 4000, 40), ("champion", 4000, 400), ("ease", 4000, 40))
    found = shares(settings(), pl.concat([here, few, rest]))
    assert set(found.sellers) == {"anna"}
    assert found.of("anna")[0] > 0.8 > 0.2 > found.shares[0]


def test_regret_grows_by_what_the_worse_arms_cost() -> None:
    log = pl.concat([slates(("als", 1000, 100), ("ease", 1000, 300), day=day) for day in (80, 81, 82)])
    found = traffic.pulls(log, ("als", "ease"), settings())
    curve = traffic.regret_curve(found, settings(arms=("als", "ease")), 0)
    assert [row["slates"] for row in curve] == [2000, 4000, 6000]
    for day, row in enumerate(curve, start=1):
        assert row["lost"] == pytest.approx(200 * day, rel=0.1)
        assert row["low"] < 200 * day < row["high"]
    assert curve[0]["day"] == "1970-03-22"
    assert traffic.regret_curve(found.head(0), settings(), 0) == []


@pytest.mark.parametrize("policy", ["gaussian", "ucb", "epsilon", "equal"])
def test_regret_is_of_what_the_policy_was_told(policy: str) -> None:
    """Ten of a slate's outcomes a time: 1 against 3 a slate, whatever the policy that asks how much."""
    log = slates(("als", 1000, 100), ("ease", 1000, 300)).with_columns(pl.col("outcome") * 10)
    given = settings(policy=policy, arms=("als", "ease"))
    (day,) = traffic.regret_curve(traffic.pulls(log, given.arms, given), given, 0)
    assert day["lost"] == pytest.approx(2000, rel=0.1)
    assert day["low"] < 2000 < day["high"]


@pytest.mark.parametrize("policy", ["thompson", "gaussian"])
def test_an_arm_nobody_has_met_is_not_what_was_missed(policy: str) -> None:
    log = slates(("als", 1000, 100), ("ease", 1000, 300))
    two, three = settings(policy=policy, arms=("als", "ease")), settings(policy=policy, arms=("als", "ease", "ghost"))
    curves = [traffic.regret_curve(traffic.pulls(log, given.arms, given), given, 0) for given in (two, three)]
    assert curves[0] == curves[1]


def test_a_seller_that_is_switched_off_shows_what_is_popular() -> None:
    on = Allocation(("als", "champion"), (0.3, 0.7), sellers={"anna": (0.5, 0.5)})
    off = traffic.switched(on, ["bert", "anna"])
    assert allocated(off, "v1", "bert") == ("popular", 1.0)
    assert allocated(off, "v1", "anna") == ("popular", 1.0)
    assert dict(zip(off.arms, off.of("carl"), strict=True)) == {"als": 0.3, "champion": 0.7, "popular": 0.0}
    for visitor in map(str, range(200)):  # nobody else is moved to another arm
        assert allocated(off, visitor, "carl") == allocated(on, visitor, "carl")
    assert traffic.switched(on, []) is on


def test_an_arm_nobody_can_serve_leaves_its_share_to_the_champion() -> None:
    wished = Allocation(("als", "ghost", "popular"), (0.5, 0.3, 0.2), sellers={"anna": (0.1, 0.9, 0.0)})
    real = traffic.servable(wished, ["als", "ease"])
    assert dict(zip(real.arms, real.shares, strict=True)) == pytest.approx(
        {"champion": 0.3, "als": 0.5, "popular": 0.2}
    )
    assert dict(zip(real.arms, real.of("anna"), strict=True)) == pytest.approx(
        {"champion": 0.9, "als": 0.1, "popular": 0}
    )
    assert traffic.servable(real, ["als"]) is real


def test_the_file_of_a_generation_names_arms_switch_and_running_tests() -> None:
    given = parse({"tests": {"home": {"arms": ["champion", "als"], "start": "2024-01-01"}}})
    text = traffic.allocation_file(Allocation(("champion",), (1.0,)), given.tests, ["bert"])
    whole = json.loads(text)
    assert whole["off"] == ["bert"]
    assert whole["tests"] == {"home": {"arms": ["champion", "als"], "shares": [0.5, 0.5], "surface": ""}}
    assert allocated(Allocation.from_json(text.decode()), "v1", "bert") == ("popular", 1.0)


def test_a_test_is_served_from_its_first_day_to_its_last() -> None:
    """A night of the 9th is served on the 10th: its files hold the arms of the tests of the 10th."""
    given = parse({"tests": {"home": {"arms": ["champion", "als"], "start": "2024-01-10", "end": "2024-01-20"}}})
    nights = {day: traffic.served_tests(given, f"2024-01-{day:02d}") for day in (8, 9, 10, 19, 20)}
    assert {day: list(tests) for day, tests in nights.items()} == {
        8: [],
        9: ["home"],
        10: ["home"],
        19: ["home"],
        20: [],
    }
    shares, fitted = Allocation(("champion", "ease"), (0.5, 0.5)), {"als": {}, "ease": {}}
    arms = {day: traffic.contenders_of(shares, tests, fitted) for day, tests in nights.items()}
    assert arms[8] == arms[20] == ["ease"]  # a test that is over or still to come needs no lists
    assert arms[9] == arms[19] == ["als", "ease"]


def test_without_experiments_everything_goes_to_the_champion() -> None:
    assert (
        traffic.allocation_of(None) == traffic.allocation_of({"allocation": None}) == Allocation(("champion",), (1.0,))
    )


@pytest.mark.parametrize("policy", ["thompson", "gaussian", "ucb", "epsilon", "equal"])
def test_every_policy_shares_out_everything(policy: str) -> None:
    found = shares(settings(policy=policy), slates(("als", 50, 5), ("champion", 60, 5), ("ease", 70, 5)))
    assert sum(found.shares) == pytest.approx(1)
    assert min(found.shares) > 0
