"""The books of a night: which night came before, who stands where, what a leaderboard and a publication say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from recsys import publication
from recsys.config import Settings
from recsys.contest.decide import Standing
from recsys.contest.gates import Candidate
from recsys.contest.record import key_of
from recsys.data.ingest import day_name
from recsys.data.lake import Lake, ref_from
from recsys.errors import ConflictError, StoreError
from recsys.evaluation.scorecard import Scorecard

Json = dict[str, Any]
SHOWN = ("name", "family", "status", "reason", "fit_seconds", "peak_memory_mb", "settings")


def folder(night: Json) -> str:
    """Where what this night makes lies."""
    return f"nights/{night['as_of']}/{night['key']}"


def digests(settings: Settings, night: Json) -> Json:
    """sha256 of the data a decision rests on and of the settings it was taken under: alike where both are."""
    return {"data": night["digest"], "config": key_of(settings.terms())}


def dataset_inputs(settings: Settings, lake: Lake, day: int) -> tuple[str, list[Any]]:
    """(folder, inputs): where the dataset of a day lies, and all it is made from."""
    from recsys.data.prepare import inputs_of

    inputs = [inputs_of(lake, day), settings.terms()]
    return f"datasets/{day_name(day)}-{key_of(*inputs)}", inputs


def night_before(lake: Lake, day: int) -> Json | None:
    """The newest published night before `day`."""
    found = [e.manifest for e in publication.entries(lake) if e.kind == "publish" and int(e.manifest["day"]) < day]
    if not found:
        return None
    newest = max(found, key=lambda m: (m["day"], m["number"]))
    closed: Json = lake.read_json(newest["night"])
    return closed


def published_before(lake: Lake, night: Json) -> publication.Entry | None:
    """The generation this very night published at an earlier try."""
    return next((e for e in publication.entries(lake) if e.manifest.get("key") == night["key"]), None)


def standing(now: publication.Standing, night: Json, trial: Json | None = None) -> Standing:
    """What binds tonight's decision; `trial` is what visitors said (`contest.experiments`)."""
    since = None if now.since is None else _nights_between(now.since, night["as_of"])
    age = int((now.served or {}).get("scorer_age_nights", 0))
    if now.served is not None and age:  # it could not be fitted last night either
        age += _nights_between(str(now.served["as_of"]), night["as_of"])
    return Standing(now.champion, since, now.barred, now.held, now.wanted, age, (trial or {}).get("vetoes", {}))


def candidate(lake: Lake, record: Json, settings: Settings) -> Candidate:
    """A backtest's record with its values per customer; without values when nobody could be asked."""
    name, family = record["name"], record.get("family", "")
    if record["status"] != "ok":
        return Candidate(name, family, record["status"], record.get("reason", ""))
    ref = record["cards"].get(settings.contest.track)
    if ref is None:
        return Candidate(name, family, "ok", report=record.get("report", {}))
    card = lake.read_value(Scorecard, ref_from(ref))
    return Candidate(
        name,
        family,
        "ok",
        values=card.values[settings.contest.primary],
        cold=card.groups["cold"].astype(float),
        coverage=card.whole[f"coverage_at_{max(settings.contest.at)}"],
        unready=card.whole.get("missing_lists", 0.0) + card.whole.get("short_lists", 0.0),
        training_seconds=record.get("fit_cpu_seconds"),
        calibration_error=card.whole.get("calibration_error"),
        sellers=record.get("sellers", {}),
        report=record.get("report", {}),
    )


def leaderboard(backtests: Sequence[Json], settings: Settings) -> list[Json]:
    """Rows best first; contenders without a score last, with their reason."""
    rows = [{k: r.get(k) for k in SHOWN} | {"tracks": r.get("tracks", {})} for r in backtests]

    def place(row: Json) -> tuple[float, str]:
        metric = row["tracks"].get(settings.contest.track, {}).get("metrics", {}).get(settings.contest.primary, {})
        mean = metric.get("mean")
        return (-mean if mean is not None else 1.0, row["name"])

    return sorted(rows, key=place)


def champion_record(lake: Lake, champion: str, fits: Mapping[str, Json], night: Json) -> tuple[Json, int]:
    """The champion's fit of tonight, or its last stored one and how many nights old it is."""
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


def manifest(night: Json, decision: Json, now: publication.Standing, closed: str, age: int) -> Json:
    """What the generation's manifest says about the night that made it."""
    return {
        "key": night["key"],
        "as_of": night["as_of"],
        "day": night["day"],
        "champion": decision["champion"],
        "action": decision["action"],
        "reasons": list(decision["reasons"]),
        "scorer_age_nights": age,
        "night": closed,
        "run": night["run"],
        "code": night["code"],
        "barred": list(now.barred),
        "held": False,
        "wanted": now.wanted if now.wanted != decision["champion"] else None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def why_not(now: publication.Standing, night: Json, decision: Json) -> str | None:
    """Why this night publishes nothing, if so; raises ConflictError or StoreError when it should have and cannot."""
    if now.served is not None and night["as_of"] < str(now.served["as_of"]):
        return f"{night['as_of']} lies before what is served ({now.served['as_of']}): nothing was published."
    if now.held:
        return "Publishing is held since a rollback; `recsys champion release` lifts it."
    if decision["champion"] is None:
        raise StoreError(
            "Nothing can be published",
            got="no contender came to an end and nothing was published before",
            cure="The decision's gates say what failed.",
        )
    if decision["base"] != now.number:
        raise ConflictError(
            "Somebody else published, promoted or rolled back while this night was running",
            got=f"entry {now.number}",
            wanted=f"entry {decision['base']}, which the decision was taken on",
            cure="Run the night again: it decides on what is there now, and fits nothing twice.",
        )
    return None


def published(entry: publication.Entry, why: str, current: bool) -> Json:
    """What a publication did, as small JSON."""
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


def small(record: Json) -> Json:
    """A record without what is too large to travel between tasks: progress and a demand fit's tables stay stored."""
    told = {k: v for k, v in record.items() if k != "progress"} | {"epochs": len(record.get("progress", ()))}
    if "tables" in told.get("report", {}):
        told["report"] = {k: v for k, v in told["report"].items() if k != "tables"}
    return told


def _nights_between(first: str, last: str) -> int:
    return date.fromisoformat(last).toordinal() - date.fromisoformat(first).toordinal()
