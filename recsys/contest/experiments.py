"""What visitors say, every night: running tests, off-policy estimates, tomorrow's traffic; and what it is all worth.

Each part is a result of its own: one that fails or is refused says so in words, and the others and the night go on.
The rungs of the ladder offline -> off-policy -> A/B -> promotion are told with what each had data for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recsys.config import Settings
from recsys.contest import estimates, frontier, money, traffic, trials
from recsys.contest.backtest import barred_products
from recsys.contest.generation import popular_lately
from recsys.contest.measure import exams
from recsys.contest.night import folder, plain
from recsys.contest.record import load_fitted
from recsys.contract import DAY, Dataset
from recsys.data.lake import Lake, ref_from
from recsys.errors import RecsysError

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]
NO_EXPOSURES = "No exposures were handed over."
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evidence:
    """What the parts read."""

    settings: Settings
    lake: Lake
    night: Json
    backtests: Sequence[Json]
    champion: str | None

    @cached_property
    def shown(self) -> pl.DataFrame | None:
        """Exposures up to the night's day."""
        from recsys.data.ingest import lake_exposures

        return lake_exposures(self.lake, int(self.night["day"]))

    @cached_property
    def sales(self) -> pl.DataFrame:
        """Sale lines up to the night's day, returns taken back."""
        from recsys.data.dataset import sales_until
        from recsys.data.ingest import lake_orders

        frame: pl.DataFrame = sales_until(lake_orders(self.lake, int(self.night["day"])), int(self.night["day"]))
        return frame

    @property
    def place(self) -> str:
        return f"{folder(self.night)}/experiments"

    @property
    def fitted(self) -> list[Json]:
        """Backtests that left a scorer."""
        return [record for record in self.backtests if record["status"] == "ok" and "scorer" in record]


@dataclass(frozen=True)
class Found:
    """What one part leaves: small JSON, tables by name, numbers for a curve over nights, vetoes by contender."""

    facts: Json = field(default_factory=dict)
    tables: dict[str, list[Json]] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    vetoes: dict[str, str] = field(default_factory=dict)


def experiments(settings: Settings, lake: Lake, night: Json, backtests: Sequence[Json]) -> Json:
    """The night's facts, the same at every try."""
    from recsys import publication

    champion = publication.standing(lake).champion
    evidence = Evidence(settings, lake, night, backtests, champion)
    stored: Json = lake.once(f"{evidence.place}/facts.json", lambda: _facts(evidence))
    return stored


def _facts(evidence: Evidence) -> Json:
    parts: dict[str, Callable[[Evidence], Found]] = {"money": _money, "habits": _habits, "frontier": _frontier}
    parts |= {"segments": _segments}
    parts = {"tests": _tests, "off_policy": _off_policy, "bandit": _bandit, **parts}
    told: Json = {"status": "ok", "tables": {}, "metrics": {}, "vetoes": {}, "allocation": None}
    for name, part in parts.items():
        found, status = _guarded(name, part, evidence)
        told[name] = {**status, **found.facts}
        told["vetoes"] |= found.vetoes
        told["metrics"] |= {key: value for key, value in found.metrics.items() if value is not None}
        for table, rows in found.tables.items():
            told["tables"][table] = _store(evidence, table, rows)
    told["allocation"] = told["bandit"].get("allocation")
    told["rungs"] = _rungs(told)
    if evidence.shown is None:
        told["reason"] = _refused(evidence.night) or NO_EXPOSURES
    return dict(plain(told))


def _guarded(name: str, part: Callable[[Evidence], Found], evidence: Evidence) -> tuple[Found, Json]:
    """What a part found, or why it found nothing; no part stops the night."""
    try:
        found = part(evidence)
        return found, {"status": found.facts.get("status", "ok")}
    except RecsysError as error:
        return Found(), {"status": "refused", "reason": str(error)}
    except Exception as error:
        log.exception("experiments: %s", name)
        return Found(), {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def _store(evidence: Evidence, name: str, rows: list[Json]) -> Json:
    import polars as pl

    return evidence.lake.put_frame(
        f"{evidence.place}/{name}.parquet", pl.DataFrame(rows, infer_schema_length=None)
    ).json()


def _tests(evidence: Evidence) -> Found:
    """Every test of recsys.toml; one that cannot be read is refused alone."""
    tests = evidence.settings.tests
    if not tests or evidence.shown is None:
        return _nothing("recsys.toml names no [tests.NAME]." if not tests else NO_EXPOSURES)
    facts: Json = {}
    readings = {}
    for name, trial in tests.items():
        try:
            readings[name] = trials.read_trial(name, trial, evidence.shown, evidence.sales, int(evidence.night["day"]))
            facts[name] = trials.reading_json(readings[name])
        except RecsysError as error:
            facts[name] = {"status": "refused", "reasons": [str(error)]}
    rows = [row for name, reading in readings.items() for row in trials.comparisons(name, reading)]
    deciding = [row for row in rows if row["metric"] == readings[row["test"]].metric]
    names = [str(record["name"]) for record in evidence.backtests]
    return Found(
        {"read": facts},
        {"tests": rows} if rows else {},
        {f"tests.{row['test']}.{row['arm']}.difference": row["difference"] for row in deciding},
        trials.vetoes(readings, evidence.champion, names),
    )


def _off_policy(evidence: Evidence) -> Found:
    """What each backtested contender would have earned on the slates of the held-out days."""
    if evidence.shown is None or not evidence.fitted:
        return _nothing(NO_EXPOSURES if evidence.shown is None else "No contender has a scorer of the past.")
    data = evidence.lake.read_value(Dataset, ref_from(evidence.night["train"]))
    last = int(evidence.night["day"])
    shown = estimates.log_of(evidence.shown, data, last - evidence.settings.contest.days + 1, last)
    rows, judged = [], {}
    for record in evidence.fitted:
        found, estimate = estimates.evaluate_contender(load_fitted(evidence.lake, record), shown)
        rows.append(estimates.estimate_row(record["name"], found, estimate))
        judged[str(record["name"])] = estimate
    logged, numbers = estimates.logged(shown), {f"off_policy.{row['contender']}": row["estimate"] for row in rows}
    return Found(
        {"exposures": len(shown.exposures), "log": logged["estimate"], "unit": logged["unit"]},
        {"off_policy": [*rows, logged]},
        {**numbers, "off_policy.log": logged["estimate"]},
        estimates.vetoes(judged, evidence.champion, evidence.settings.contest.level),
    )


def _bandit(evidence: Evidence) -> Found:
    """Tomorrow's shares where recsys.toml names several arms, and what learning has cost so far."""
    settings = evidence.settings.traffic
    if evidence.shown is None:
        return _nothing(NO_EXPOSURES)
    logged = sorted(set(evidence.shown["arm"].to_list()))
    decides = len(settings.arms) > 1
    arms = settings.arms if decides else tuple(logged)
    if len(arms) < 2:
        return _nothing(f"Every exposure is of the arm {arms[0]}: there is nothing to choose between.")
    settings = settings.model_copy(update={"arms": arms})
    unseen = [arm for arm in arms if arm not in logged]
    slates = traffic.pulls(evidence.shown, arms, settings)
    seed, now = int(evidence.night["seed"]), (int(evidence.night["day"]) + 1) * DAY
    shares = traffic.share_out(settings, slates, now, seed)
    curve = traffic.regret_curve(slates, settings, seed)
    rows = [
        {"scope": scope or "shop", **dict(zip(arms, shares.of(scope), strict=True))} for scope in ("", *shares.sellers)
    ]
    facts: Json = {"policy": settings.policy, "floor": settings.floor, "arms": list(arms), "decides": decides}
    facts["allocation"] = json.loads(shares.to_json()) if decides else None
    facts["notes"] = [f"nobody has seen the arm {arm} yet" for arm in unseen]
    metrics = {f"bandit.share.{arm}": share for arm, share in zip(arms, shares.shares, strict=True)}
    return Found(facts, {"allocation": rows} | ({"regret": curve} if curve else {}), dict(metrics))


def _money(evidence: Evidence) -> Found:
    """The opportunity per shop and seller, with what the basket model's hit rate suggests."""
    from recsys.data.ingest import lake_orders

    settings, night = evidence.settings, evidence.night
    at = settings.contest.at[0]
    hit = money.hit_rate(evidence.backtests, at)
    back = money.returned_share(lake_orders(evidence.lake, int(night["day"])), int(night["day"]))
    given = money.assumptions(settings.shop, hit[1] if hit else None, back)
    lines = money.lines_of(evidence.sales)
    rows, swings = money.opportunity_tables(lines, given, int(night["seed"]))
    goal = next(row for row in rows if row["scope"] == "shop" and row["uptake"] == given.uptake.mean)
    stated = given.stated() | {"hit_rate": f"{hit[1]:.4f} (hit@{at} of {hit[0]} on second items)" if hit else "n/a"}
    stated["returned"] = f"{back:.4g} (measured: value of returns over value sold)"
    return Found(
        {"assumptions": stated, "goal": goal, "currency": settings.shop.currency},
        {"opportunity": rows, "swings": swings},
        {f"opportunity.{key}": goal[key] for key in ("single_share", "line", "sales", "profit", "within_reach")},
    )


def _habits(evidence: Evidence) -> Found:
    """What the business assumes of its customers."""
    from recsys.assortment.habits import habits

    data = evidence.lake.read_value(Dataset, ref_from(evidence.night["dataset"]))
    categories = dict(zip(data.space.products.ids, data.catalogue.category, strict=True))
    found = habits(evidence.sales, {str(p): str(c or "") for p, c in categories.items()})
    shares = {name: value["value"] for name, value in asdict(found).items() if isinstance(value, dict)}
    return Found(
        {**asdict(found), "category_lift": found.category_lift, "seller_lift": found.seller_lift},
        metrics={f"habits.{name}": value for name, value in shares.items()} | {"habits.seller_gini": found.seller_gini},
    )


def _frontier(evidence: Evidence) -> Found:
    """What each power of the margin would cost the champion's lists, and earn (AC-F2)."""
    from recsys.data.split import HeldOut

    by_name = {record["name"]: record for record in evidence.fitted}
    contest, night = evidence.settings.contest, evidence.night
    name = evidence.champion if evidence.champion in by_name else _best(evidence)
    if name is None:
        return _nothing("No contender was judged on the held-out days.")
    data = evidence.lake.read_value(Dataset, ref_from(night["train"]))
    held = evidence.lake.read_value(HeldOut, ref_from(night["held"]))
    scorer = load_fitted(evidence.lake, by_name[name])
    exam = exams(held, barred_products(data))[contest.track]
    rate = evidence.settings.shop.take_rate
    rows, power, off = frontier.frontier_table(scorer, data, exam, contest.at[0], rate, popular_lately(data))
    facts = {"contender": name, "power": power, "k": contest.at[0], "calibration_error": off}
    return Found(facts, {"frontier": rows}, {"frontier.calibration_error": off})


def _segments(evidence: Evidence) -> Found:
    """Every contender's primary metric by market, customer, seller and product, from the backtests."""
    rows = [
        {"contender": str(record["name"]), **row} for record in evidence.backtests for row in record.get("segments", ())
    ]
    if not rows:
        return _nothing("Nobody was judged on the held-out days.")
    own = [row for row in rows if row["contender"] == evidence.champion and row["kind"] in ("customer", "product")]
    metrics = {f"segments.{row['kind']}.{row['name']}": row["mean"] for row in own}
    return Found({"metric": evidence.settings.contest.primary}, {"segments": rows}, metrics)


def _best(evidence: Evidence) -> str | None:
    """The contender with the best backtest; no champion is there yet on the first night."""
    contest, means = evidence.settings.contest, {}
    for record in evidence.fitted:
        metric = record.get("tracks", {}).get(contest.track, {}).get("metrics", {}).get(contest.primary)
        if metric and metric["mean"] is not None:
            means[str(record["name"])] = float(metric["mean"])
    return min(means, key=lambda name: (-means[name], name)) if means else None


def _rungs(told: Json) -> dict[str, str]:
    """What each rung of the ladder had data for, in words."""
    read = told["tests"].get("read", {})
    sound = [name for name, reading in read.items() if reading["status"] != "refused"]
    estimated = told["off_policy"]["status"] == "ok"
    bars = told["vetoes"]
    return {
        "offline": "backtest gates and daily evidence on orders: always",
        "off_policy": f"{told['off_policy']['exposures']:,} exposures" if estimated else told["off_policy"]["reason"],
        "ab": f"tests read: {', '.join(sound)}" if sound else told["tests"].get("reason", "no test could be read"),
        "vetoes": "; ".join(f"{name}: {why}" for name, why in sorted(bars.items())) or "none",
    }


def _nothing(why: str) -> Found:
    return Found({"status": "none", "reason": why})


def _refused(night: Json) -> str | None:
    """Why tonight's exposure file was refused at the front door, if it was."""
    refused = night.get("ingested", {}).get("refused", {})
    return next(iter(refused.values()), None)
