"""Who sees which arm tomorrow: a bandit over the arms of recsys.toml, under the switch a person holds per seller.

An arm is a contender, `champion` (whoever is) or `popular` (what sells lately in the segment, with no model behind it).
The switch is an off-list of sellers: their surfaces show `popular` whatever the bandit says, generation after
generation, until somebody switches them on again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys.config import Settings, Traffic, Trial
from recsys.contract import DAY, F64
from recsys.data.ingest import day_name
from recsys.evaluation.bandit import (
    UCB1,
    BetaThompson,
    EpsilonGreedy,
    EqualSplit,
    GaussianThompson,
    Newcomers,
    Policy,
    Tally,
    allocate,
)
from recsys.ranking.assign import Allocation

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]
CHAMPION, POPULAR = "champion", "popular"
DRAWS = 2000
REGRET = ("day", "slates", "lost", "low", "high")


def policy_of(traffic: Traffic) -> Policy:
    """The bandit that recsys.toml names."""
    policies: dict[str, Policy] = {
        "thompson": BetaThompson(floor=traffic.floor),
        "gaussian": GaussianThompson(floor=traffic.floor),
        "ucb": UCB1(floor=traffic.floor),
        "epsilon": EpsilonGreedy(traffic.floor),
        "equal": EqualSplit(),
    }
    return policies[traffic.policy]


def pulls(shown: pl.DataFrame, arms: Sequence[str], traffic: Traffic) -> pl.DataFrame:
    """One row per slate of these arms (a row without a slate stands alone): time, day, seller, arm [row], outcome.

    What a slate earns is the sum of its places; Thompson sampling of clicks asks whether it earned anything.
    """
    import polars as pl

    alone = pl.concat_str(pl.lit("row:"), pl.int_range(pl.len()).cast(pl.String))
    rows = shown.with_columns(slate=pl.coalesce("slate", alone)).filter(pl.col("arm").is_in(list(arms)))
    earned = pl.col("outcome").sum()
    outcome = (earned > 0).cast(pl.Float64) if _asks_whether(traffic) else earned
    slates = rows.group_by("surface", "slate", "arm").agg(
        pl.col("time").min(), pl.col("day").min(), pl.col("seller").first(), outcome=outcome
    )
    number = pl.col("arm").replace_strict(list(arms), list(range(len(arms))), return_dtype=pl.Int32)
    return slates.with_columns(row=number).sort("time", "surface", "slate", "arm")


def tally(slates: pl.DataFrame, k: int, traffic: Traffic, now: int) -> Tally:
    """What the slates say at `now` (epoch seconds): those whose outcome had time to arrive, old ones fading.

    A slate counts once its outcome had time, earned or not: counting early ones only would favour arms that are
    answered fast. What has just had time weighs 1.
    """
    import polars as pl

    until = now - int(traffic.delay_hours * 3600)
    ripe = slates.filter(pl.col("time") <= until)
    age = (until - ripe["time"].to_numpy()) / (traffic.half_life_days * DAY)
    return Tally.of(ripe["row"].to_numpy(), ripe["outcome"].to_numpy(), k, 0.5 ** age.astype(np.float64))


def share_out(traffic: Traffic, slates: pl.DataFrame, now: int, seed: int) -> Allocation:
    """Tomorrow's shares per arm, and per seller where each arm was shown there often enough."""
    k, sellers = len(traffic.arms), {}
    for (seller,), rows in slates.filter(slates["seller"].is_not_null()).group_by("seller"):
        sellers[str(seller)] = tally(rows, k, traffic, now)
    shared = tally(slates, k, traffic, now)
    return allocate(Newcomers(policy_of(traffic)), traffic.arms, shared, sellers, traffic.seller_exposures, seed)


def regret_curve(slates: pl.DataFrame, traffic: Traffic, seed: int) -> list[Json]:
    """What was lost so far by not always showing the best arm, per day (columns REGRET), 95 % over who is the best.

    The arms' means are drawn from their posteriors; a day's loss is its slates times how far each fell short. An arm
    that nobody has met is left out: nothing is known of what it would have earned.
    """
    if not slates.height:
        return []
    met, row = np.unique(slates["row"].to_numpy(), return_inverse=True)
    found = Tally.of(row.astype(np.int32), slates["outcome"].to_numpy(), len(met))
    means = _posterior(found, not _asks_whether(traffic), seed)
    short = means.max(axis=1, keepdims=True) - means
    days = np.sort(slates["day"].unique().to_numpy())
    counts = np.zeros((len(days), len(met)))
    np.add.at(counts, (np.searchsorted(days, slates["day"].to_numpy()), row), 1)
    lost = (short @ counts.T).cumsum(axis=1)
    low, high = np.quantile(lost, [0.025, 0.975], axis=0)
    columns = (days, counts.sum(axis=1).cumsum(), lost.mean(axis=0), low, high)
    return [
        dict(zip(REGRET, (day_name(int(row[0])), int(row[1]), *(float(x) for x in row[2:])), strict=True))
        for row in zip(*columns, strict=True)
    ]


def switched(allocation: Allocation, off: Sequence[str]) -> Allocation:
    """The allocation with `popular` alone on the surfaces of the sellers that are switched off."""
    if not off:
        return allocation
    arms = allocation.arms if POPULAR in allocation.arms else (*allocation.arms, POPULAR)
    shares = {seller: _fit(allocation.of(seller), arms) for seller in ("", *allocation.sellers)}
    only = tuple(float(arm == POPULAR) for arm in arms)
    sellers = {seller: row for seller, row in shares.items() if seller} | dict.fromkeys(off, only)
    return Allocation(arms, shares[""], allocation.salt, sellers)


def served_tests(settings: Settings, as_of: str) -> dict[str, Trial]:
    """Tests of the day a night's generation is served on: the day after `as_of`."""
    day = (date.fromisoformat(as_of) + timedelta(days=1)).isoformat()
    return {name: t for name, t in settings.tests.items() if t.start <= day and (not t.end or day <= t.end)}


def allocation_file(allocation: Allocation, tests: Mapping[str, Trial], off: Sequence[str]) -> bytes:
    """allocation.json of a generation: arms, sellers and salt, the sellers switched off, and the tests that run."""
    told = {
        name: {"arms": list(t.arms), "shares": list(t.shares or [1 / len(t.arms)] * len(t.arms)), "surface": t.surface}
        for name, t in tests.items()
    }
    whole = json.loads(switched(allocation, off).to_json()) | {"off": sorted(off), "tests": told}
    return json.dumps(whole, sort_keys=True).encode()


def allocation_of(trial: Json | None) -> Allocation:
    """What the night's experiments found, or everything to the champion."""
    found = (trial or {}).get("allocation")
    return Allocation.from_json(json.dumps(found)) if found else Allocation((CHAMPION,), (1.0,))


def servable(allocation: Allocation, names: Sequence[str]) -> Allocation:
    """The allocation with the share of every arm that nobody can serve tonight given to the champion."""
    known = [arm for arm in allocation.arms if arm in (CHAMPION, POPULAR) or arm in names]
    if len(known) == len(allocation.arms):
        return allocation
    arms = tuple(dict.fromkeys((CHAMPION, *known)))

    def moved(shares: Sequence[float]) -> tuple[float, ...]:
        of = dict(zip(allocation.arms, shares, strict=True))
        kept = {arm: of.get(arm, 0.0) for arm in arms}
        kept[CHAMPION] += 1.0 - sum(kept.values())
        return tuple(kept[arm] for arm in arms)

    return Allocation(
        arms, moved(allocation.shares), allocation.salt, {s: moved(v) for s, v in allocation.sellers.items()}
    )


def contenders_of(allocation: Allocation, tests: Mapping[str, Trial], names: Mapping[str, Any]) -> list[str]:
    """Arms that are contenders of tonight (not the champion under its role), of the allocation and of the tests."""
    arms = {*allocation.arms, *(arm for trial in tests.values() for arm in trial.arms)}
    return sorted(arm for arm in arms if arm in names)


def _asks_whether(traffic: Traffic) -> bool:
    """Whether an outcome is 0 or 1 (did the slate earn anything?); all other policies ask how much."""
    return traffic.policy == "thompson"


def _fit(shares: Sequence[float], arms: Sequence[str]) -> tuple[float, ...]:
    return (*shares, *(0.0 for _ in range(len(arms) - len(shares))))


def _posterior(found: Tally, money: bool, seed: int) -> F64:
    """[DRAWS, k] draws of the means of arms that were all met."""
    rng, k = np.random.default_rng(seed), len(found.n)
    if not money:
        return rng.beta(1 + found.total, 1 + np.maximum(found.n - found.total, 0), size=(DRAWS, k))
    mean = found.means()
    spread = np.sqrt(np.maximum(found.squares / found.n - mean**2, 1e-12) / found.n)
    return rng.normal(mean, spread, size=(DRAWS, k))
