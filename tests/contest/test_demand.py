"""The demand step on a shop whose customers choose by a logit with known prices: tracks, ladder, who serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsys.config import Contender, Settings
from recsys.contest import demand as step
from recsys.contest.demand import climb, demand, serving, wanted
from recsys.contest.market_tracks import HeldMarkets, Marks, Past, customers_of, held_markets, marks, popularity
from recsys.contest.optional import attempt
from recsys.contract import Run
from recsys.data.lake import Lake, ref_from
from recsys.errors import DataError, RecsysError, StoreError
from recsys.models import catalog
from recsys.models.logit import Logit
from recsys.ranking.lists import active_customers
from recsys.scorers.store import scorer_bytes
from tests.contest.market_world import LAST, PAST, SETTINGS, data, held, iso, lines

CHOICE = Logit(draws=5, instruments=("cost",))


@pytest.fixture(scope="module")
def late() -> HeldMarkets:
    found = held_markets(data(), iso(PAST + 1), iso(LAST + 1))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def marked(late: HeldMarkets) -> dict[str, Marks]:
    since = step.end_of_day(step._day(late.since) - 1, SETTINGS)
    families = {"logit": CHOICE, "popularity": catalog.build("popularity", {})}
    past = Past(data(PAST), held(), since, customers_of(data(PAST), late, 365))
    found = {n: marks(e.fit(data(PAST), Run()).scorer, late, past) for n, e in families.items()}
    return {n: m for n, m in found.items() if m is not None}


def test_held_markets_lie_wholly_after_the_cutoff_and_are_over(late: HeldMarkets) -> None:
    weeks = np.unique([late.names[m].rpartition("@")[2] for m in late.offers.market[late.late]])
    assert weeks.tolist() == [iso(PAST + 1 + 7 * k) for k in range(4)]
    assert late.since == weeks[2]
    assert not (late.learn & late.judged).any()
    assert np.unique(late.period[late.before]).tolist() == [late.period[late.learn].min() - 1]
    none_over = held_markets(data(), iso(PAST + 1), iso(PAST + 8))
    assert none_over is None  # one period cannot both calibrate and judge
    unfinished = held_markets(data(), iso(PAST + 2), iso(LAST - 6))
    assert unfinished is not None
    assert np.unique(unfinished.period[unfinished.late]).size == 2  # the first had begun before, the last is not over


def test_a_segments_customers_are_those_who_bought_lately(late: HeldMarkets) -> None:
    year, day = customers_of(data(PAST), late, 365), customers_of(data(PAST), late, 1)
    assert set(year) == set(day) == {"north", "south"}
    last = lines().filter(pl.col("day") == PAST)
    for name in year:
        assert day[name].tolist() == sorted(last.filter(pl.col("segment") == name)["customer"].unique().to_list())
        assert len(year[name]) > 5 * len(day[name]) > 0


def test_the_shops_own_active_days_count_and_once_for_all_contenders(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, asked = Lake(str(tmp_path)), []
    night = {"day": LAST, "train": lake.put_value("t", data(PAST)).json(), "held": lake.put_value("h", held()).json()}
    popular = scorer_bytes(catalog.build("popularity", {}).fit(data(PAST), Run()).scorer)
    records = [{"name": n, "status": "ok", "scorer": lake.put_new(n, popular).json()} for n in ("one", "two")]

    def active(train: Any, days: int) -> Any:
        asked.append(days)
        return active_customers(train, days)

    monkeypatch.setattr("recsys.contest.market_tracks.active_customers", active)
    settings = SETTINGS.model_copy(update={"publishing": SETTINGS.publishing.model_copy(update={"active_days": 21})})
    assert set(step.tracks(settings, lake, night, data(), records)["marks"]) == {"one", "two"}
    assert asked == [21]


def test_who_knows_prices_explains_markets_better_than_who_does_not(
    marked: dict[str, Marks], late: HeldMarkets
) -> None:
    logit, popular = marked["logit"], marked["popularity"]
    gain, se = logit.choices.likelihood.gain_over(popular.choices.likelihood)
    assert gain > 2 * se
    assert logit.gain[0] > 2 * logit.gain[1]
    assert abs(popular.gain[0]) < 0.1  # it is the ground, calibrated on two weeks
    assert popularity(late).per_unit < logit.choices.likelihood.per_unit
    assert popular.response is None
    assert logit.response is not None
    assert logit.response.events > 30
    assert logit.response.sign_right > 0.8
    assert logit.response.answer == pytest.approx(1.0, abs=0.2)
    assert logit.outside_error < 0.1
    assert popular.outside_error < 0.1


def test_the_ladder_is_climbed_by_gates_and_by_gain(marked: dict[str, Marks], late: HeldMarkets) -> None:
    choice = {
        "blp": {"family": "blp", "status": "refused", "reason": "gradient: 57"},
        "logit": {"family": "logit", "status": "ok"},
        "twin": {"family": "nested_logit", "status": "ok"},
    }
    rungs = climb(late, {"logit": marked["logit"], "twin": marked["logit"]}, choice)
    assert [r["name"] for r in rungs] == ["shares", "logit", "twin", "blp"]
    assert [r["climbed"] for r in rungs] == [True, True, False, False]  # a twin gains nothing
    assert "stayed below" in rungs[2]["words"]
    assert rungs[3]["words"] == "refused: gradient: 57"
    assert climb(None, {}, choice) == []


def test_which_rung_serves(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, night = Lake(str(tmp_path)), {"day": 10}
    choice = {"logit": {"family": "logit", "status": "ok"}, "blp": {"family": "blp", "status": "refused"}}
    ladder = [{"name": "shares", "climbed": True}, {"name": "logit", "climbed": True}]
    assert serving(lake, night, ladder, choice)["contender"] == "logit"
    fell = [{"name": "shares", "climbed": True}, {"name": "logit", "climbed": False}]
    assert "shares alone serve" in serving(lake, night, fell, choice)["words"]
    before = {"day": 8, "fits": {"blp": {"status": "ok"}, "logit": {"status": "ok"}}}
    monkeypatch.setattr(step, "night_before", lambda lake, day: before)
    old = serving(lake, night, fell, choice)
    assert (old["contender"], old["age_nights"]) == ("blp", 2)
    assert "the fit of blp of 2 nights ago stays in use" in old["words"]
    assert serving(lake, night, [], choice)["contender"] == "logit"  # nothing was held out to climb on
    gone = {"status": "ok", "scorer": {"path": "fits/gone", "sha256": "0", "size": 1}}
    nights = [before, {"day": 9, "fits": {"blp": {"status": "refused"}, "logit": gone}}]  # tidied away
    monkeypatch.setattr(step, "night_before", lambda lake, day: next((n for n in nights[::-1] if n["day"] < day), None))
    assert serving(lake, night, fell, choice) == old
    nights.pop(0)
    assert serving(lake, night, fell, choice)["contender"] is None


def test_where_markets_are_wanted() -> None:
    assert wanted(Settings.model_validate({"markets": {"period": "month"}}))
    assert wanted(Settings(contenders={"x": Contender(family="blp")}))
    assert not wanted(Settings(contenders={"x": Contender(family="ease")}))


def test_the_facts_of_a_night(tmp_path: Any) -> None:
    lake = Lake(str(tmp_path))
    night = {
        "as_of": iso(LAST), "key": "k", "day": LAST, "dataset": lake.put_value("d", data()).json(),
        "train": lake.put_value("t", data(PAST)).json(), "held": lake.put_value("h", held()).json(),
    }  # fmt: skip
    fitted = CHOICE.fit(data(PAST), Run())
    record = stored(lake, "logit", fitted)
    refused = {"name": "blp", "family": "blp", "status": "refused", "reason": "blp did not pass its gates: sign",
               "report": {"gates": [{"name": "sign", "verdict": "failed"}]}}  # fmt: skip
    facts = demand(SETTINGS, lake, night, [record, refused], [record])
    assert facts["status"] == "ok"
    assert [r["contender"] for r in facts["market_choice"]] == ["logit"]
    assert facts["serves"]["contender"] == "logit"
    assert "blp was refused: blp did not pass its gates: sign" in facts["reason"]
    assert facts["fits"]["blp"]["gates"][0]["name"] == "sign"
    tables = lake.read_json(ref_from(facts["tables"]["logit"]))
    assert set(tables) >= {"own_elasticities", "diversion", "markups", "consumer_surplus", "heat_maps"}
    assert facts["panel"]["markets"] == 32
    assert facts["counterfactuals"]["contender"] == "logit"
    (market, *_) = lake.read_json(ref_from(facts["tables"]["counterfactuals"]))["markets"]
    assert market["rows"][0]["fixed"]["revenue"]["value"] < 0
    assert demand(SETTINGS, lake, night, [], []) == facts
    assert demand(Settings(), lake, night, [], [])["status"] == "none"
    without = replace(data(PAST), offers=None)
    again = night | {"key": "other", "dataset": lake.put_value("w", without).json()}
    assert "no product x market panel" in demand(SETTINGS, lake, again, [], [])["reason"]


@pytest.mark.parametrize("error", [DataError, StoreError])
def test_one_contender_that_cannot_be_judged_is_left_out_unless_the_lake_did_not_answer(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, error: type[RecsysError]
) -> None:
    lake = Lake(str(tmp_path))
    night = {
        "as_of": iso(LAST), "key": "k", "day": LAST, "dataset": lake.put_value("d", data()).json(),
        "train": lake.put_value("t", data(PAST)).json(), "held": lake.put_value("h", held()).json(),
    }  # fmt: skip
    popular = scorer_bytes(catalog.build("popularity", {}).fit(data(PAST), Run()).scorer)
    records = [{"name": n, "status": "ok", "scorer": lake.put_new(n, popular).json()} for n in ("one", "two")]
    loaded = step.load_fitted

    def once(lake: Lake, record: Any) -> Any:
        if record["name"] == "one":
            raise error("The scorer of one", got="planted")
        return loaded(lake, record)

    monkeypatch.setattr(step, "load_fitted", once)
    if error is DataError:
        facts = demand(SETTINGS, lake, night, records, [])
        assert facts["left_out"] == {"one": "The scorer of one; got planted."}
        assert [row["contender"] for row in facts["market_choice"]] == ["two"]
        return
    assert attempt("demand", lambda: demand(SETTINGS, lake, night, records, []))["status"] == "failed"
    monkeypatch.setattr(step, "load_fitted", loaded)  # it answers the next try
    assert len(demand(SETTINGS, lake, night, records, [])["market_choice"]) == 2


def test_an_older_fit_that_stays_in_use_gives_its_tables(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tonight's fit is refused: last night's elasticities and counterfactuals stand, under its name and age."""
    lake = Lake(str(tmp_path))
    night = {"as_of": iso(LAST), "key": "k", "day": LAST, "dataset": lake.put_value("d", data()).json()}
    old = stored(lake, "logit", CHOICE.fit(data(PAST), Run()))
    monkeypatch.setattr(step, "night_before", lambda lake, day: {"day": LAST - 3, "fits": {"logit": old}})
    refused = {"name": "logit", "family": "logit", "status": "refused", "reason": "sign", "report": {"gates": []}}
    facts = demand(SETTINGS, lake, night, [refused], [refused])
    assert facts["serves"]["age_nights"] == 3
    tables = lake.read_json(ref_from(facts["tables"]["logit"]))
    whole = lake.read_json("fits/logit/record.json")["report"]["tables"]
    assert tables["own_elasticities"] == whole["own_elasticities"]
    assert facts["fits"]["logit"]["status"] == "refused"
    assert facts["counterfactuals"]["status"] == "ok"


def test_every_unit_of_the_panel_is_accounted_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """AC-P2 in the night's facts: given = dropped by reason + kept, and kept is what the panel holds."""
    lake, night = Lake(str(tmp_path)), {"day": LAST}
    assert step.lines_facts(SETTINGS, lake, night, data()) == {}
    extra = lines().head(7).with_columns(kind=pl.lit("non_product"), order=pl.lit("fee"))
    monkeypatch.setattr(step, "lake_orders", lambda lake, day, engine: pl.concat([lines(), extra]))
    told = step.lines_facts(SETTINGS, lake, night, data())
    account = told["account"]
    assert account["dropped"]["no product (fee, postage)"]["lines"] == 7
    assert account["given"]["units"] == account["kept"]["units"] + 7
    assert account["kept"]["units"] == step.panel_facts(data())["units"]
    assert told["data"]["rungs"]["logit"] == ""
    assert told["data"]["single_item_share"] == 1.0


def stored(lake: Lake, name: str, fitted: Any) -> dict[str, Any]:
    """A fit's record as the night keeps it."""
    ref = lake.put_new(f"fits/{name}/scorer.safetensors", scorer_bytes(fitted.scorer))
    record = {"name": name, "family": name, "status": "ok", "reason": "", "report": fitted.report, "fit_seconds": 1.0}
    lake.put_json(f"fits/{name}/record.json", record)
    return {**record, "report": {}, "scorer": ref.json()}
