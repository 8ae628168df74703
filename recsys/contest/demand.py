"""What markets say, every night: who explains what they buy, who knows what a price does, and can a fit be trusted.

Facts for the page and for MLflow: both tracks, the ladder as climbed on held-out markets, every choice contender's
estimates and gates in words, and which rung serves. The large tables lie in the lake, by reference.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recsys.config import Settings
from recsys.contest.counterfactuals import nightly
from recsys.contest.market_tracks import HeldMarkets, Marks, Past, customers_of, held_markets, marks, popularity
from recsys.contest.night import folder, night_before
from recsys.contest.optional import settled
from recsys.contest.plain import plain
from recsys.contest.record import load_fitted
from recsys.contract import Dataset
from recsys.data.dataset import CHOICE_FAMILIES, end_of_day
from recsys.data.engine import gather
from recsys.data.ingest import day_name, lake_orders
from recsys.data.lake import Lake, ref_from, references
from recsys.data.markets import period_name
from recsys.data.offers import accounted
from recsys.data.split import HeldOut

Json = dict[str, Any]
LADDER = ("logit", "nested_logit", "blp")
KEPT = ("rung", "eligible", "estimates", "own_elasticity", "history_weight")  # of a fit's report
EPOCH = date(1970, 1, 1).toordinal()
NO_MARKETS = "recsys.toml has no [markets] and no logit, nested_logit or blp contender."
NO_PANEL = "The order lines give no product x market panel; the log of `prepare` says why."
log = logging.getLogger(__name__)


def demand(settings: Settings, lake: Lake, night: Json, backtests: Sequence[Json], fits: Sequence[Json]) -> Json:
    """The night's facts, the same at every try."""
    if not wanted(settings):
        return {"status": "none", "reason": NO_MARKETS}
    place = f"{folder(night)}/demand"

    def make() -> Json:
        data = lake.read_value(Dataset, ref_from(night["dataset"]))
        if data.offers is None:
            return {"status": "none", "reason": NO_PANEL}
        found = tracks(settings, lake, night, data, backtests)
        panel = panel_facts(data) | lines_facts(settings, lake, night, data)
        facts: Json = plain(_facts(lake, place, night, (backtests, fits), found) | {"panel": panel})
        return facts

    told: Json = lake.once(f"{place}/facts.json", make)
    return told


def wanted(settings: Settings) -> bool:
    """Whether the shop's markets are described, or a contender learns from them."""
    families = {c.family for c in settings.entered().values()}
    return "markets" in settings.model_fields_set or bool(families & CHOICE_FAMILIES)


def tracks(settings: Settings, lake: Lake, night: Json, data: Dataset, backtests: Sequence[Json]) -> Json:
    """{"held": the markets or None, "marks": by contender, "left": why a contender is not among them}."""
    none: Json = {"held": None, "marks": {}, "left": {}}
    if "train" not in night:
        return none
    train = lake.read_value(Dataset, ref_from(night["train"]))
    truth = lake.read_value(HeldOut, ref_from(night["held"]))
    unfinished = period_name(int(night["day"]) + 1, settings.markets.period)
    held = held_markets(data, day_name(truth.first_day), unfinished)
    if held is None:
        return none
    since = end_of_day(_day(held.since) - 1, settings)
    past = Past(train, truth, since, customers_of(train, held, settings.publishing.active_days))
    found: dict[str, Marks] = {}
    left: dict[str, str] = {}
    for record in backtests:
        if record["status"] != "ok":
            continue
        mark, why = settled(partial(_marked, lake, record, held, past))
        if mark is None:
            left[record["name"]] = why or "it has no opinion without a basket"
        else:
            found[record["name"]] = mark
    return {"held": held, "marks": found, "left": left}


def _marked(lake: Lake, record: Json, held: HeldMarkets, past: Past) -> Marks | None:
    return marks(load_fitted(lake, record), held, past)


def _facts(lake: Lake, place: str, night: Json, records: tuple[Sequence[Json], Sequence[Json]], found: Json) -> Json:
    backtests, fits = records
    by_name = {r["name"]: r for r in backtests} | {r["name"]: r for r in fits}
    choice = {name: r for name, r in by_name.items() if r.get("family") in CHOICE_FAMILIES}
    told = {name: _fit_facts(lake, place, record) for name, record in sorted(choice.items())}
    ladder = climb(found["held"], found["marks"], choice)
    serves = serving(lake, night, ladder, choice)
    refs = {name: fact.pop("tables") for name, fact in told.items() if fact.get("tables")}
    served = served_record(lake, night, serves, by_name)
    if served is not None and serves["age_nights"]:
        old = _fit_facts(lake, f"{place}/{serves['age_nights']}-nights-ago", served)
        refs |= {served["name"]: old["tables"]} if "tables" in old else {}
    what_if = nightly(lake, place, served, _whole_report(lake, served)) if served else {"status": "none"}
    refs |= {"counterfactuals": what_if["table"]} if "table" in what_if else {}
    return {
        "status": "ok",
        "reason": _words(found, told, serves),
        "judged": _judged(found["held"]),
        "market_choice": [_choice_row(n, m) for n, m in sorted(found["marks"].items(), key=_by_likelihood)],
        "price_response": [_response_row(n, m) for n, m in sorted(found["marks"].items()) if m.response],
        "left_out": found["left"],
        "fits": told,
        "ladder": ladder,
        "serves": serves,
        "tables": refs,
        "counterfactuals": {k: v for k, v in what_if.items() if k != "table"},
        "metrics": _metrics(found["marks"], told, serves),
    }


def climb(held: HeldMarkets | None, found: Mapping[str, Marks], choice: Mapping[str, Json]) -> list[Json]:
    """The rungs in order of the ladder: climbed where the gates pass and held-out likelihood gains its error."""
    if held is None:
        return []
    stood = popularity(held)
    rungs: list[Json] = [{"name": "shares", "log_likelihood": stood.per_unit, "climbed": True, "words": "the ground"}]
    for name, record in sorted(choice.items(), key=lambda item: (LADDER.index(item[1]["family"]), item[0])):
        if record["status"] != "ok" or name not in found:
            words = f"{record['status']}: {record.get('reason') or 'not judged'}"
            rungs.append({"name": name, "log_likelihood": None, "climbed": False, "words": words})
            continue
        mine = found[name].choices.likelihood
        gain, se = mine.gain_over(stood)
        climbed = gain > se
        words = f"gain {gain:+.4f} per unit, standard error {se:.4f}: {'climbed' if climbed else 'stayed below'}"
        rungs.append({"name": name, "log_likelihood": mine.per_unit, "gain": gain, "se": se,
                      "climbed": climbed, "words": words})  # fmt: skip
        stood = mine if climbed else stood
    return rungs


def serving(lake: Lake, night: Json, ladder: Sequence[Json], choice: Mapping[str, Json]) -> Json:
    """The rung whose elasticities stand tonight: the highest that was climbed, else the last stored fit, else none."""
    climbed = [r["name"] for r in ladder if r["climbed"] and r["name"] != "shares"]
    ok = [n for n, r in sorted(choice.items(), key=lambda i: LADDER.index(i[1]["family"])) if r["status"] == "ok"]
    if not ladder:
        climbed = ok  # nothing was held out to climb on
    if climbed:
        return {"contender": climbed[-1], "age_nights": 0, "words": f"{climbed[-1]} serves tonight."}
    stored = last_stored(lake, int(night["day"]), choice)
    if stored:
        last = max(stored, key=lambda n: LADDER.index(choice[n]["family"]))
        age = stored[last][1]
        words = f"No rung was climbed tonight: the fit of {last} of {age} nights ago stays in use."
        return {"contender": last, "age_nights": age, "words": words}
    return {"contender": None, "age_nights": None, "words": "No rung was climbed: shares alone serve, without prices."}


def last_stored(lake: Lake, day: int, names: Iterable[str]) -> dict[str, tuple[Json, int]]:
    """(record, age in nights) of each contender's fit in the newest night that left any of them whole."""
    before = night_before(lake, day)
    at = day
    while before is not None and int(before["day"]) < at:
        at = int(before["day"])
        fits = {n: before["fits"][n] for n in names if before["fits"].get(n, {}).get("status") == "ok"}
        whole = {n: (r, day - at) for n, r in fits.items() if all(lake.exists(path) for path in references(r))}
        if whole:
            return whole
        before = night_before(lake, at)
    return {}


def panel_facts(data: Dataset) -> Json:
    """What the panel is, before anything is estimated."""
    o = data.offers
    assert o is not None
    units = np.zeros(len(o.market)) if o.units is None else o.units
    return {
        "markets": len(np.unique(o.market)),
        "alternatives": len(np.unique(o.alternative)),
        "composites": sum(str(a).startswith("~") for a in o.alternatives.ids),
        "rows": len(o.market),
        "units": float(units.sum()),
        "zero_share": float((units == 0).mean()),
        "instruments": list(o.instrument_names),
    }


def lines_facts(settings: Settings, lake: Lake, night: Json, data: Dataset) -> Json:
    """Every unit of the order lines by reason, and which rungs the data can bear; {} where there are none."""

    def make() -> Json:
        lines = gather(lake_orders(lake, int(night["day"]), settings.night.engine))
        account, report = accounted(data, lines, int(night["day"]), settings.markets)
        return {"account": account.json(), "data": report.json()}

    return settled(make)[0] or {}


def served_record(lake: Lake, night: Json, serves: Json, tonight: Mapping[str, Json]) -> Json | None:
    """The record of the fit that serves: tonight's, or the older one that stays in use."""
    name = serves["contender"]
    if name is None:
        return None
    if not serves["age_nights"]:
        return dict(tonight[name])
    choice = [n for n, r in tonight.items() if r.get("family") in CHOICE_FAMILIES]
    return {"name": name} | dict(last_stored(lake, int(night["day"]), choice)[name][0])


def _fit_facts(lake: Lake, place: str, record: Json) -> Json:
    """One choice contender: status, estimates, gates; its tables by reference."""
    report = _whole_report(lake, record)
    kept: Json = {k: report[k] for k in KEPT if k in report}
    facts: Json = {
        "family": record["family"],
        "status": record["status"],
        "reason": record.get("reason", ""),
        "fit_seconds": record.get("fit_seconds"),
        "gates": report.get("gates", []),
        **kept,
    }
    if "tables" in report:
        facts["tables"] = lake.put_json(f"{place}/{record['name']}.json", plain(report["tables"])).json()
    return facts


def _whole_report(lake: Lake, record: Json) -> Json:
    """The report as the fit stored it: what travels between tasks leaves the tables behind."""
    if "scorer" not in record:
        return dict(record.get("report", {}))
    stored = lake.read_json(str(Path(record["scorer"]["path"]).parent / "record.json"))
    return dict(stored["report"])


def _choice_row(name: str, mark: Marks) -> Json:
    gain, se = mark.gain
    return {"contender": name, **mark.choices.summary(), "gain": gain, "gain_se": se,
            "outside_error": mark.outside_error}  # fmt: skip


def _response_row(name: str, mark: Marks) -> Json:
    assert mark.response is not None
    return {"contender": name, **asdict(mark.response)}


def _judged(held: HeldMarkets | None) -> Json | None:
    if held is None:
        return None
    return {"markets": len(np.unique(held.offers.market[held.judged])), "since": held.since,
            "units": float(held.units[held.judged].sum()), "rows": int(held.judged.sum())}  # fmt: skip


def _metrics(found: Mapping[str, Marks], told: Mapping[str, Json], serves: Json) -> dict[str, float]:
    metrics = {f"market_choice_{n}": m.choices.likelihood.per_unit for n, m in found.items()}
    own = told.get(str(serves["contender"]), {}).get("own_elasticity")
    return metrics | ({"own_elasticity_median": own["median"]} if own else {})


def _words(found: Json, told: Mapping[str, Json], serves: Json) -> str:
    refused = [f"{name} was refused: {fact['reason']}" for name, fact in told.items() if fact["status"] == "refused"]
    judged = f"{len(found['marks'])} contenders judged on what held-out markets bought."
    if found["held"] is None:
        judged = "No two periods lie in the held-out days: nothing could be judged on markets."
    return " ".join([judged, *refused, str(serves["words"])])


def _by_likelihood(item: tuple[str, Marks]) -> tuple[float, str]:
    return -item[1].choices.likelihood.per_unit, item[0]


def _day(period: str) -> int:
    """Days since 1970-01-01 of a period's first day."""
    return date.fromisoformat(period if len(period) == 10 else f"{period}-01").toordinal() - EPOCH
