"""One function per task of the night: read references, call the library, write references.

Every step takes and returns small JSON. A step run twice gives the same answer: what it makes is stored under a path
that names everything it depends on, and whoever stores it first stays.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import recsys
from recsys.config import Settings, config_path, load
from recsys.data.lake import Lake, ref_from
from recsys.errors import StoreError, UsageError

Json = dict[str, Any]
Night = dict[str, Any]
EPOCH = date(1970, 1, 1).toordinal()
LIMITS = ("seed", "fit_seconds", "fit_memory_mb")


def start_night(params: Mapping[str, Any]) -> Night:
    """Fix what this night is about; raises ConfigError or UsageError before anything is done.

    params: as_of, contenders, minutes, promotion, run, due (the schedule's time), config, lake; all optional.
    """
    from recsys import publication
    from recsys.models import catalog

    settings = load(params.get("config"))
    lake = str(params.get("lake") or settings.lake_folder)
    now = publication.standing(Lake(lake))
    chosen = _chosen(params.get("contenders"), settings, now.champion)
    for name in chosen:
        catalog.build(settings.contenders[name].family, settings.contenders[name].settings)
    minutes = params.get("minutes")
    _check_space(lake)
    return {
        "config": str(config_path(params.get("config"))),
        "lake": lake,
        "run": str(params.get("run") or f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S}"),
        "asked": _asked(params),
        "contenders": chosen,
        "promotion": str(params.get("promotion") or settings.night.promotion),
        "seed": settings.night.seed,
        "code": code_version(),
        "fit_seconds": float(minutes) * 60 if minutes else settings.night.fit_seconds,
        "fit_memory_mb": settings.night.fit_memory_mb,
    }


def ingest(night: Night) -> Night:
    """Bring the shop's tables into the lake; what is there already is not read again."""
    from recsys.data import ingest as door

    settings, lake = _open(night)
    return {**night, "ingested": door.ingest(lake, door.sources_of(settings), settings.shop).json()}


def prepare(night: Night) -> Night:
    """Build the Dataset as of the night's day, the backtest's past and its held-out days."""
    from recsys.contest.record import key_of
    from recsys.data import prepare as data

    settings, lake = _open(night)
    day, note = data.as_of_day(lake, night["asked"])
    inputs = [
        data.inputs_of(lake, day),
        settings.model_dump(exclude={"folder", "runtime", "tracking"}),
        night["contenders"],
        [night[limit] for limit in LIMITS],
        recsys.__version__,
    ]
    as_of = date.fromordinal(EPOCH + day).isoformat()
    night = {**night, "as_of": as_of, "day": day, "key": key_of(*inputs), "note": note}
    folder = _folder(night)
    place = f"datasets/{as_of}-{key_of(inputs[0], inputs[1])}"
    made = data.prepare(lake, settings, day, place, backtest=night.get("backtest", True))
    lake.put_json(f"{folder}/prepared.json", made)
    return {**night, **lake.read_json(f"{folder}/prepared.json")}


def judge(night: Night) -> Json:
    """Yesterday's stored scorers on the orders that came after them: daily evidence, stored once per day."""
    from recsys.contest import daily
    from recsys.contest.backtest import barred_products
    from recsys.contest.record import load_fitted
    from recsys.contract import Dataset
    from recsys.data.ingest import lake_orders
    from recsys.data.split import hold_out

    settings, lake = _open(night)
    before = _night_before(lake, night["day"])
    if before is None:
        return {"status": "none", "reason": "No earlier night has stored scorers; the backtest decides."}
    first, last = int(before["day"]) + 1, int(night["day"])
    if not daily.known(lake, first, last):
        data = lake.read_value(Dataset, ref_from(before["dataset"]))
        held = hold_out(lake_orders(lake, last), data, last, first, settings)
        fits = {n: r for n, r in before["fits"].items() if r["status"] == "ok"}
        if not len(held.queries) or not fits:
            return {
                "status": "none",
                "reason": f"Nobody with an id bought between {before['as_of']} and {night['as_of']}.",
            }
        scorers = {name: load_fitted(lake, record) for name, record in fits.items()}
        fallback = _fallback(data)
        barred = barred_products(data)
        daily.store(
            lake, daily.observe(scorers, held, settings.contest, night["as_of"], barred=barred, fallback=fallback)
        )
    windows = daily.recent(lake, last, settings.contest.evidence_nights)
    return {
        "status": "ok",
        "nights": [w.night for w in windows],
        "customers": sum(len(w.ids) for w in windows),
        "best": daily.best(windows[0]),
    }


def backtest(night: Night, contender: str) -> Json:
    """Fit one contender on the past and judge it on the held-out days; a failure is a record, not an exception."""
    from recsys.contest.backtest import barred_products, judge, summaries
    from recsys.contest.record import fit_record, load_fitted, once
    from recsys.contract import Dataset
    from recsys.data.split import HeldOut

    settings, lake = _open(night)
    record = fit_record(lake, contender, _contender(settings, contender), night["train"], _limits(night))
    if record["status"] != "ok":
        return _small(record)
    folder = f"{_folder(night)}/backtest/{contender}"

    def make() -> Json:
        train = lake.read_value(Dataset, ref_from(night["train"]))
        held = lake.read_value(HeldOut, ref_from(night["held"]))
        cards = judge(
            contender,
            load_fitted(lake, record),
            held,
            settings.contest,
            barred=barred_products(train),
            fallback=_fallback(train),
        )
        refs = {track: lake.put_value(f"{folder}/{track}.safetensors", card).json() for track, card in cards.items()}
        return {"cards": refs, "tracks": summaries(cards, settings.contest, night["seed"])}

    return {**_small(record), **once(lake, f"{folder}/record.json", make)}


def decide(night: Night, backtests: Sequence[Json], evidence: Json) -> Json:
    """Apply the champion rule; the decision and its leaderboard are stored with the night."""
    from recsys import publication
    from recsys.contest import daily
    from recsys.contest import decide as rule
    from recsys.contest.record import once

    settings, lake = _open(night)

    def make() -> Json:
        now = publication.standing(lake)
        windows = daily.recent(lake, night["day"], settings.contest.evidence_nights)
        candidates = [_candidate(lake, record, settings) for record in backtests]
        wanted = _wanted(lake)
        standing = rule.Standing(now.champion, _nights_since(now, night), now.barred, now.held, wanted)
        decision = rule.decide(candidates, daily.pool(windows), standing, settings.contest, night["promotion"])
        return {**_plain(decision.json()), "evidence": dict(evidence), "leaderboard": _leaderboard(backtests, settings)}

    decided: Json = once(lake, f"{_folder(night)}/decision.json", make)
    return decided


def eligible(backtests: Sequence[Json], decision: Json) -> list[str]:
    """Who is fitted for tomorrow: everybody whose backtest came to an end, and the champion whatever happened."""
    return [r["name"] for r in backtests if r["status"] == "ok" or r["name"] == decision["champion"]]


def fit(night: Night, contender: str) -> Json:
    """Fit one contender on all days up to the as-of day, warm from its last stored state where it has one."""
    from recsys.contest.record import fit_record

    settings, lake = _open(night)
    before = _night_before(lake, night["day"])
    last = (before or {}).get("fits", {}).get(contender, {})
    start = last.get("state") if last.get("status") == "ok" else None
    record = fit_record(lake, contender, _contender(settings, contender), night["dataset"], _limits(night), start=start)
    return _small(record)


def blend(night: Night, backtests: Sequence[Json], fits: Sequence[Json]) -> Json:
    """The stage of blends: their weights are learnt on days no part was fitted on. Empty without a blend."""
    return {}


def publish(night: Night, decision: Json, fits: Sequence[Json]) -> Json:
    """Commit a new generation with the champion's fresh scorer; a night before CURRENT's changes nothing.

    Where the champion's fit failed its last stored scorer is published with today's offers, its age in the manifest.
    """
    from recsys import publication
    from recsys.contest.generation import files_of

    settings, lake = _open(night)
    by_name = {r["name"]: r for r in fits}
    summary = {
        "as_of": night["as_of"],
        "day": night["day"],
        "dataset": night["dataset"],
        "fits": by_name,
        "decision": f"{_folder(night)}/decision.json",
        "key": night["key"],
    }
    lake.put_json(f"{_folder(night)}/closed.json", summary)
    for entry in publication.entries(lake):
        if entry.manifest.get("key") == night["key"]:
            return _published(entry, "This night was published before; nothing changed.", current=False)
    now = publication.standing(lake)
    if now.served is not None and night["as_of"] < str(now.served["as_of"]):
        why = f"{night['as_of']} lies before what is served ({now.served['as_of']}): nothing was published."
        return {"current": False, "generation": None, "why": why, "champion": now.champion}
    if now.held:
        return {
            "current": False,
            "generation": None,
            "why": "Publishing is held since a rollback.",
            "champion": now.champion,
        }
    champion = decision["champion"]
    if champion is None:
        raise StoreError(
            "Nothing can be published",
            got="no contender passed and nothing was published before",
            cure="The decision's gates say what failed.",
        )
    record, age = _champion_record(lake, champion, by_name, night)
    files, rows, facts = files_of(settings, lake, night, champion, record, by_name)
    manifest = {
        **facts,
        "key": night["key"],
        "as_of": night["as_of"],
        "day": night["day"],
        "champion": champion,
        "action": decision["action"],
        "reasons": list(decision["reasons"]),
        "scorer_age_nights": age,
        "contenders": sorted(by_name),
        "night": f"{_folder(night)}/closed.json",
        "run": night["run"],
        "code": code_version(),
        "barred": list(now.barred),
        "held": False,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    entry = publication.publish(lake, now.number, files, manifest, rows)
    return _published(entry, "; ".join(decision["reasons"]), current=True)


def register(night: Night, backtests: Sequence[Json], decision: Json, published: Json) -> Json:
    """Mirror the night in MLflow; the night is published whether or not MLflow answers."""
    from recsys import tracking

    settings, lake = _open(night)
    return tracking.mirror(settings, lake, night, backtests, decision, published)


def report(
    night: Night, backtests: Sequence[Json], decision: Json, published: Json, registration: Json | None = None
) -> Json:
    """The page a person reads."""
    from recsys.report.page import write

    settings, lake = _open(night)
    path = write(settings, lake, night, backtests, decision, published)
    return {"page": path}


def run_night(params: Mapping[str, Any], tell: Any = None) -> Json:
    """The same night without Airflow: every step in order, contenders one after another."""
    say = tell or (lambda step, text: None)
    night = start_night(params)
    say("ingest", "")
    night = ingest(night)
    night = prepare(night)
    say("prepare", f"as of {night['as_of']}{'; ' + night['note'] if night['note'] else ''}")
    evidence = judge(night)
    say("judge", evidence.get("reason", f"{len(evidence.get('nights', []))} nights of evidence"))
    backtests = [_told("backtest", backtest(night, name), say) for name in night["contenders"]]
    decision = decide(night, backtests, evidence)
    say("decide", " ".join(decision["reasons"]))
    fits = [_told("fit", fit(night, name), say) for name in eligible(backtests, decision)]
    blend(night, backtests, fits)
    published = publish(night, decision, fits)
    say("publish", published["why"] if not published["generation"] else published["generation"])
    registration = register(night, backtests, decision, published)
    say("register", registration.get("note", "mirrored in MLflow"))
    page = report(night, backtests, decision, published, registration)
    return {
        "night": night,
        "decision": decision,
        "publication": published,
        "backtests": backtests,
        "fits": fits,
        "registration": registration,
        "report": page,
    }


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


def _told(step: str, record: Json, say: Any) -> Json:
    text = record["status"] if record["status"] == "ok" else f"{record['status']}: {record['reason']}"
    say(step, f"{record['name']} {text} ({record.get('fit_seconds', 0):.1f} s)")
    return record


def _open(night: Night) -> tuple[Settings, Lake]:
    return load(night["config"]), Lake(night["lake"])


def _folder(night: Night) -> str:
    return f"nights/{night['as_of']}/{night['key']}"


def _limits(night: Night) -> Json:
    return {name: night[name] for name in LIMITS}


def _contender(settings: Settings, name: str) -> Json:
    entry = settings.contenders[name]
    return {"family": entry.family, "settings": entry.settings}


def _chosen(names: Any, settings: Settings, champion: str | None) -> list[str]:
    entered = list(settings.entered())
    chosen = list(names) if names else entered
    unknown = [n for n in chosen if n not in settings.contenders]
    if unknown or not chosen:
        raise UsageError("Contenders", got=", ".join(unknown) or "none", wanted=f"some of {', '.join(entered)}")
    if champion in settings.contenders and champion not in chosen:
        chosen.append(champion)  # the champion is always in the contest
    return [n for n in settings.contenders if n in chosen]


def _asked(params: Mapping[str, Any]) -> str | None:
    """The as-of day asked for: the parameter, or the day before the schedule's time."""
    if params.get("as_of"):
        try:
            return date.fromisoformat(str(params["as_of"])).isoformat()
        except ValueError:
            raise UsageError("as_of", got=params["as_of"], wanted="a day like 2011-12-08") from None
    due = params.get("due")
    return date.fromordinal(datetime.fromisoformat(due).date().toordinal() - 1).isoformat() if due else None


def _check_space(lake: str) -> None:
    """A night that would fill the disk is not begun: twice the lake's last generation must be free."""
    import shutil

    base = Path(lake)
    newest = max(base.glob("generations/gen-*"), default=None)
    needed = 2 * sum(f.stat().st_size for f in newest.iterdir()) if newest else 2**28
    probe = next(p for p in (base, *base.parents) if p.exists())
    free = shutil.disk_usage(probe).free
    if free < needed:
        raise StoreError(
            f"{base} is nearly full",
            got=f"{free / 2**20:,.0f} MB free",
            wanted=f"{needed / 2**20:,.0f} MB",
            cure="Free space, then run again; what is published is untouched.",
        )


def _fallback(data: Any) -> Any:
    """What answers where a contender has no opinion: what sells lately in the segment."""
    from recsys.contest.generation import popular_lately

    return popular_lately(data)


def _night_before(lake: Lake, day: int) -> Json | None:
    """The newest published night before `day`."""
    from recsys import publication

    found = [e.manifest for e in publication.entries(lake) if e.kind == "publish" and int(e.manifest["day"]) < day]
    if not found:
        return None
    newest = max(found, key=lambda m: (m["day"], m["number"]))
    closed: Json = lake.read_json(newest["night"])
    return closed


def _champion_record(lake: Lake, champion: str, fits: Mapping[str, Json], night: Night) -> tuple[Json, int]:
    """The champion's fit of tonight, or its last stored one and how many nights old it is."""
    from recsys import publication

    if fits.get(champion, {}).get("status") == "ok":
        return dict(fits[champion]), 0
    for entry in sorted(publication.entries(lake), key=lambda e: -e.number):
        if entry.kind != "publish" or int(entry.manifest["day"]) > night["day"]:
            continue
        record = lake.read_json(entry.manifest["night"])["fits"].get(champion, {})
        if record.get("status") == "ok":
            return record, int(night["day"]) - int(entry.manifest["day"])
    raise StoreError(
        f"The champion {champion} has no scorer",
        got=fits.get(champion, {}).get("reason", "no fit"),
        wanted="tonight's fit or a stored one",
        cure="Run again, or promote another contender.",
    )


def _published(entry: Any, why: str, current: bool) -> Json:
    m = entry.manifest
    return {
        "generation": entry.name,
        "current": current,
        "champion": m["champion"],
        "as_of": m["as_of"],
        "why": why,
        "rows": {n: f["rows"] for n, f in m["files"].items() if f["rows"]},
        "rungs": m.get("rungs", {}),
    }


def _nights_since(now: Any, night: Night) -> int | None:
    if now.since is None:
        return None
    return date.fromisoformat(night["as_of"]).toordinal() - date.fromisoformat(now.since).toordinal()


def _wanted(lake: Lake) -> str | None:
    from recsys import publication

    newest = max(publication.entries(lake), key=lambda e: e.number, default=None)
    return None if newest is None else newest.manifest.get("wanted")


def _candidate(lake: Lake, record: Json, settings: Settings) -> Any:
    from recsys.contest.decide import Candidate
    from recsys.evaluation.scorecard import Scorecard

    name, family = record["name"], record.get("family", "")
    if record["status"] != "ok":
        return Candidate(name, family, record["status"], record.get("reason", ""))
    card = lake.read_value(Scorecard, ref_from(record["cards"][settings.contest.track]))
    return Candidate(
        name,
        family,
        "ok",
        values=card.values[settings.contest.primary],
        cold=card.groups["cold"].astype(float),
        coverage=card.whole[f"coverage_at_{max(settings.contest.at)}"],
        report=record.get("report", {}),
    )


def _leaderboard(backtests: Sequence[Json], settings: Settings) -> list[Json]:
    """Rows best first; contenders without a score last, with their reason."""
    rows = [
        {k: r.get(k) for k in ("name", "family", "status", "reason", "fit_seconds", "peak_memory_mb", "settings")}
        | {"tracks": r.get("tracks", {})}
        for r in backtests
    ]

    def place(row: Json) -> tuple[float, str]:
        metric = row["tracks"].get(settings.contest.track, {}).get("metrics", {}).get(settings.contest.primary, {})
        mean = metric.get("mean")
        return (-mean if mean is not None else 1.0, row["name"])

    return sorted(rows, key=place)


def _small(record: Json) -> Json:
    """A record without what is too large to travel between tasks."""
    return {k: v for k, v in record.items() if k not in ("progress",)} | {"epochs": len(record.get("progress", ()))}


def _plain(value: Any) -> Any:
    """JSON without NaN or infinity."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
