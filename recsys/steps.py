"""One function per task of the night: read references, call the library, write references.

Every step takes and returns small JSON. A step run twice gives the same answer: what it makes is stored under a path
that names everything it depends on, and whoever stores it first stays.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import recsys
from recsys.config import Settings, config_path, load
from recsys.data.lake import Lake

Json = dict[str, Any]
Night = dict[str, Any]


def start_night(params: Mapping[str, Any]) -> Night:
    """Fix what this night is about; raises ConfigError or UsageError before anything is done.

    params: as_of, contenders, minutes, promotion, tune, run, due (the schedule's time), config, lake; all optional.
    """
    from recsys import publication
    from recsys.contest import asked
    from recsys.contest.blending import check_blends

    settings = load(params.get("config"))
    lake = str(params.get("lake") or settings.lake_root)
    minutes = params.get("minutes")
    asked.check_space(lake)
    contenders = asked.chosen(params.get("contenders"), settings, publication.standing(Lake(lake)))
    check_blends(settings, contenders)
    return {
        "config": str(config_path(params.get("config"))),
        "lake": lake,
        "run": str(params.get("run") or f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S}"),
        "asked": asked.as_of(params),
        "contenders": contenders,
        "promotion": asked.promotion(params.get("promotion"), settings),
        "seed": settings.night.seed,
        "code": code_version(),
        "fit_seconds": float(minutes) * 60 if minutes else settings.night.fit_seconds,
        "fit_memory_mb": settings.night.fit_memory_mb,
        "tune": bool(params.get("tune")),
    }


def ingest(night: Night) -> Night:
    """Bring the shop's tables into the lake; what is there already is not read again."""
    from recsys.data import ingest as door

    settings, lake = _open(night)
    return {**night, "ingested": door.ingest(lake, door.sources_of(settings), settings.shop).json()}


def prepare(night: Night) -> Night:
    """Build the Dataset as of the night's day, the backtest's past and its held-out days."""
    from recsys.contest.fits import limits_of
    from recsys.contest.night import dataset_inputs, folder
    from recsys.contest.record import key_of
    from recsys.data import prepare as data
    from recsys.data.ingest import day_name
    from recsys.data.runs import remember

    settings, lake = _open(night)
    day, note = data.as_of_day(lake, night["asked"])
    as_of, (place, known) = day_name(day), dataset_inputs(settings, lake, day)
    inputs = [
        *known,
        night["contenders"],
        list(limits_of(night).values()),
        recsys.__version__,
        as_of,  # a day without orders is a night too
        *(["tuned"] if night.get("tune") else []),
    ]
    night = {**night, "as_of": as_of, "day": day, "key": key_of(*inputs), "note": note}
    prepared = f"{folder(night)}/prepared.json"
    made = data.prepare(lake, settings, day, place, backtest=night.get("backtest", True))
    lake.put_json(prepared, made)
    remember(lake, night)
    return {**night, **lake.read_json(prepared)}


def judge(night: Night) -> Json:
    """Yesterday's stored scorers on the orders that came after them: daily evidence, stored once per day."""
    from recsys.contest.daily import judge_yesterday

    return judge_yesterday(*_open(night), night)


def backtest(night: Night, contender: str) -> Json:
    """Fit one contender on the past and judge it on the held-out days; a failure is a record, not an exception."""
    from recsys.contest.held_out import judge_fitted
    from recsys.contest.night import small
    from recsys.contest.tuned import summary

    settings, lake = _open(night)
    record = _fit(night, contender, night["train"], {})
    if record["status"] != "ok":
        return small(record)
    tuned = summary(settings, lake, night, contender)
    return {**small(record), **tuned, **judge_fitted(settings, lake, night, record)}


def experiments(night: Night, backtests: Sequence[Json] = ()) -> Json:
    """What was shown to visitors and what came of it: running tests, off-policy estimates, tomorrow's traffic."""
    from recsys.contest.experiments import experiments as read
    from recsys.contest.optional import attempt

    settings, lake = _open(night)
    return attempt("experiments", lambda: read(settings, lake, night, backtests))


def decide(night: Night, backtests: Sequence[Json], evidence: Json, trial: Json | None = None) -> Json:
    """Apply the champion rule; the decision and its leaderboard are stored with the night.

    A night that was published keeps its decision; one that was not decides on what is published now.
    """
    from recsys import publication
    from recsys.contest import daily
    from recsys.contest import decide as rule
    from recsys.contest import night as books
    from recsys.contest.plain import plain
    from recsys.data.runs import remember

    settings, lake = _open(night)
    before = books.published_before(lake, night)
    if before is not None:
        taken = lake.read_json(before.manifest["night"])["decision"]
        remember(lake, night, taken)
        known: Json = lake.read_json(taken)
        return known
    now = publication.standing(lake)
    path = f"{books.folder(night)}/decision-{now.number}-{night['promotion']}.json"

    def make() -> Json:
        windows = daily.weighed(lake, night["day"], now.champion, settings.contest)
        decision = rule.decide(
            [books.candidate(lake, record, settings) for record in backtests],
            daily.pool(windows),
            books.standing(now, night, trial),
            settings.contest,
            night["promotion"],
        )
        board = books.leaderboard(backtests, settings)
        facts = {"evidence": dict(evidence), "leaderboard": board, "base": now.number, "path": path}
        facts |= {"rungs": (trial or {}).get("rungs", {}), "digests": books.digests(settings, night)}
        return {**plain(decision.json()), **facts}

    decided: Json = lake.once(path, make)
    remember(lake, night, path)
    return decided


def settle(night: Night, decision: Json, answer: Json) -> Json:
    """The decision after a person was asked about its proposal, if it had one. answer: promote or keep, and by whom."""
    from recsys.contest.approval import settle as settled
    from recsys.data.runs import remember

    _, lake = _open(night)
    final = settled(lake, decision, answer)
    remember(lake, night, final["path"])
    return final


def eligible(backtests: Sequence[Json], decision: Json) -> list[str]:
    """Who is fitted for tomorrow: everybody whose backtest came to an end, and the champion whatever happened."""
    return [r["name"] for r in backtests if r["status"] == "ok" or r["name"] == decision["champion"]]


def fit(night: Night, contender: str) -> Json:
    """Fit one contender on all days up to the as-of day, warm from its last stored state where it has one."""
    from recsys.contest.night import night_before, small

    before = night_before(_open(night)[1], night["day"]) or {}
    return small(_fit(night, contender, night["dataset"], before.get("fits", {})))


def blend(night: Night, backtests: Sequence[Json], fits: Sequence[Json]) -> Json:
    """What tonight's blends are made of: weights by contender, learnt on purchases no part was fitted on."""
    joined = {r["name"]: r.get("report", {}).get("weights") for r in fits if r["status"] == "ok"}
    return {name: weights for name, weights in joined.items() if weights}


def demand(night: Night, backtests: Sequence[Json], fits: Sequence[Json]) -> Json:
    """Market-choice and price-response tracks, elasticities, diversion, health cards: where markets are described."""
    from recsys.contest.demand import demand as read
    from recsys.contest.optional import attempt

    settings, lake = _open(night)
    return attempt("demand", lambda: read(settings, lake, night, backtests, fits))


def assort(night: Night, backtests: Sequence[Json], decision: Json, fits: Sequence[Json]) -> Json:
    """Which products each segment should carry: a table of keep, add and drop for the generation."""
    from recsys.contest import assortments
    from recsys.contest.optional import attempt

    settings, lake = _open(night)
    champion = decision["champion"]
    return attempt("assort", lambda: assortments.nightly(settings, lake, night, champion, fits, backtests))


def publish(
    night: Night, decision: Json, fits: Sequence[Json], assortment: Json | None = None, trial: Json | None = None
) -> Json:
    """Commit a new generation with the champion's fresh scorer; a night before CURRENT's changes nothing.

    Where the champion's fit failed its last stored scorer is published with today's offers, its age in the manifest.
    """
    from recsys import publication
    from recsys.contest import night as books
    from recsys.contest.arms import arm_files
    from recsys.contest.generation import Material, files_of

    settings, lake = _open(night)
    by_name = {r["name"]: r for r in fits}
    closed = _close(lake, night, decision, by_name)
    before = books.published_before(lake, night)
    if before is not None:
        return books.published(before, "This night was published before; nothing changed.", current=False)
    now = publication.standing(lake)
    why = books.why_not(now, night, decision)
    if why is not None:
        return {"current": False, "generation": None, "why": why, "champion": now.champion}
    champion = decision["champion"]
    record, age = books.champion_record(lake, champion, by_name, night)
    material = Material(settings, lake, night, by_name)
    files, rows, facts = files_of(material, champion, record, assortment)
    told = books.manifest(night, decision, now, closed, age)
    more, more_rows, switches = arm_files(material, trial)
    lost = facts["lost"] | switches["lost"]
    full = {**facts, **told, **switches, "lost": lost, "contenders": sorted(by_name)}
    entry = publication.publish(lake, now.number, files | more, full, rows | more_rows)
    return books.published(entry, "; ".join(decision["reasons"]), current=True)


def _close(lake: Lake, night: Night, decision: Json, fits: Mapping[str, Json]) -> str:
    """Store what tomorrow needs to know of tonight; returns its path."""
    from recsys.contest.night import folder
    from recsys.contest.record import key_of

    summary = {
        "as_of": night["as_of"],
        "day": night["day"],
        "dataset": night["dataset"],
        "fits": fits,
        "decision": decision["path"],
        "key": night["key"],
    }
    return lake.put_json(f"{folder(night)}/closed-{key_of(summary)}.json", summary).path


def register(
    night: Night,
    backtests: Sequence[Json],
    decision: Json,
    published: Json,
    facts: Mapping[str, Json] | None = None,
) -> Json:
    """Mirror the night in MLflow; the night is published whether or not MLflow answers."""
    from recsys import tracking

    settings, lake = _open(night)
    return tracking.mirror(settings, lake, night, backtests, decision, published, facts)


def report(
    night: Night,
    backtests: Sequence[Json],
    decision: Json,
    published: Json,
    facts: Mapping[str, Json] | None = None,
) -> Json:
    """The page a person reads. facts: what the optional tasks left, by task (`demand`, `assortment`, ...)."""
    from recsys.report.page import Page, write

    settings, lake = _open(night)
    return {"page": write(Page(settings, lake, night, backtests, decision, published, facts or {}))}


def tidy(night: Night, published: Json) -> Json:
    """Remove what nights older than `publishing.keep` generations left; whatever is served or can be is kept."""
    from recsys.contest.optional import attempt
    from recsys.contest.retention import tidy as sweep

    settings, lake = _open(night)
    keep = settings.publishing.keep
    return attempt("tidy", lambda: sweep(lake, keep)) if published["current"] else {"generations": 0, "files": 0}


def push(generation: str | None = None) -> Json:
    """Give the shop's database the lists of a generation, the one being served by default."""
    from recsys import publication
    from recsys.serving.push import push_lists

    settings = load()
    lake, told = Lake(settings.lake_root), settings.publishing
    name = generation or publication.current(lake).name
    return {"generation": name, "rows": push_lists(lake, name, told.push_url, told.push_table)}


def code_version() -> str:
    """The commit this code runs from, or the package's version."""
    here = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5, check=False
        )
    except OSError:
        return recsys.__version__
    return said.stdout.strip() or recsys.__version__


def _open(night: Night) -> tuple[Settings, Lake]:
    return load(night["config"]), Lake(night["lake"])


def _fit(night: Night, name: str, dataset: Json, last: Mapping[str, Json]) -> Json:
    """The record of one fit, made once whoever asks first; `last` are yesterday's, to start warm from."""
    from recsys.contest.fits import fit_contender

    return fit_contender(*_open(night), night, name, dataset, last)
