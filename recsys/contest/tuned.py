"""Tonight's tuned settings: searched once per night and contender, inside the backtest's past, and stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.config import Contender, Settings
from recsys.contest.night import dataset_inputs, folder
from recsys.contest.spaces import can_tune, space_of
from recsys.contest.tune import Terms, ground, tune
from recsys.contract import Dataset
from recsys.data.lake import Lake, ref_from
from recsys.errors import EmptyError

Json = dict[str, Any]


def entry(settings: Settings, lake: Lake, night: Mapping[str, Any], name: str) -> Json:
    """What a contender is fitted with tonight: as recsys.toml says, or as tuned where the night tunes."""
    contender = settings.contenders[name]
    found = tuning(settings, lake, night, name) if night.get("tune") else None
    return {"family": contender.family, "settings": contender.settings if found is None else found["settings"]}


def tuning(settings: Settings, lake: Lake, night: Mapping[str, Any], name: str) -> Json | None:
    """The search of one contender as stored; None for a family without a search space or a night without backtest."""
    contender = settings.contenders[name]
    if not can_tune(contender.family) or "train" not in night:
        return None

    def make() -> Json:
        data = lake.read_value(Dataset, ref_from(night["train"]))
        return search(data, name, contender, terms_of(settings, night))

    found: Json = lake.once(f"{folder(dict(night))}/tuning/{name}.json", make)
    return found


def search(data: Dataset, name: str, contender: Contender, terms: Terms) -> Json:
    """One contender's search on a past; where nothing can be hidden the settings stay."""
    try:
        with ground(data, terms.seed) as where:
            return tune(name, contender, space_of(name, contender), where, terms, lambda *_: None).json()
    except EmptyError as error:
        return {"name": name, "settings": contender.settings, "trials": [], "reason": str(error)}


def terms_of(settings: Settings, night: Mapping[str, Any]) -> Terms:
    """The night's own limits and metric."""
    return Terms(
        metric=settings.contest.primary,
        seconds=settings.night.tune_seconds,
        seed=int(night["seed"]),
        fit_seconds=float(night["fit_seconds"]),
        memory_mb=int(night["fit_memory_mb"]),
    )


def summary(settings: Settings, lake: Lake, night: Mapping[str, Any], name: str) -> Json:
    """What a backtest's record tells of the search: {} where there was none."""
    found = tuning(settings, lake, night, name) if night.get("tune") else None
    if found is None:
        return {}
    return {"tuning": {k: found.get(k) for k in ("metric", "value", "before")} | {"trials": len(found["trials"])}}


def past_of_shop(settings: Settings, lake: Lake) -> tuple[Dataset, str]:
    """What a backtest of the last full day would learn from, and which days that is; raises EmptyError."""
    from recsys.data import prepare as prepared
    from recsys.data.ingest import day_name

    day, _ = prepared.as_of_day(lake, None)
    made = prepared.prepare(lake, settings, day, dataset_inputs(settings, lake, day)[0])
    data = lake.read_value(Dataset, ref_from(made["train"]))
    return data, f"{settings.shop.name} up to {day_name(day - settings.contest.days)}"
