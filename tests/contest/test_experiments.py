"""A night of a small marketplace with a test, a bandit and a switch: facts, files, page, refusals in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys import publication, steps
from recsys.cli import build
from recsys.contest import arms, worth
from recsys.contest.estimates import COLUMNS
from recsys.contest.generation import Material
from recsys.data.lake import Lake, ref_from
from recsys.data.marketplace import Size
from recsys.data.simulate import simulate, write
from recsys.errors import UsageError
from recsys.ranking.assign import Allocation, allocated
from recsys.report.page import Page
from recsys.report.sections import experiments as visitors
from recsys.report.sections import money, segments

TOML = """
runtime = "runtime"
[shop]
name = "small"
currency = "USD"
take_rate = 0.286
[shop.non_products]
codes = ["SETUP", "SHIP"]
[orders]
path = "data/orders.csv.gz"
cancelled_prefix = "R"
[products]
path = "data/products.csv"
[exposures]
path = "data/exposures.csv.gz"
[contest]
days = 21
draws = 100
bar = ["popularity"]
[publishing]
size = 5
[tests.home]
arms = ["random", "popular", "personal"]
shares = [0.3, 0.35, 0.35]
start = "2025-01-10"
metric = "outcome_per_exposure"
[tests.other]
arms = ["popularity", "ease"]
start = "2025-01-10"
[traffic]
arms = ["champion", "ease", "popular", "ghost"]
[contenders.popularity]
family = "popularity"
[contenders.ease]
family = "ease"
[contenders.complements]
family = "complements"
[contenders.ghost]
family = "als"
enabled = false
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The steps of one night up to its publication."""
    root = tmp_path_factory.mktemp("shop")
    write(simulate(Size(customers=900, products=90, sellers=6, days=70, seed=2)), root / "data")
    (root / "recsys.toml").write_text(TOML)
    night = steps.prepare(steps.ingest(steps.start_night({"config": str(root / "recsys.toml")})))
    backtests = [steps.backtest(night, name) for name in night["contenders"]]
    facts = steps.experiments(night, backtests)
    decision = steps.decide(night, backtests, steps.judge(night), facts)
    fits = [steps.fit(night, name) for name in night["contenders"]]
    published = steps.publish(night, decision, fits, None, facts)
    told = {"night": night, "backtests": backtests, "facts": facts, "decision": decision, "published": published}
    return {**told, "lake": Lake(night["lake"]), "root": root}


def rows(lived: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lived["lake"].read_frame(ref_from(lived["facts"]["tables"][name])).to_dicts()
    return found


def test_every_part_says_what_it_found(lived: dict[str, Any]) -> None:
    facts = lived["facts"]
    assert facts["status"] == "ok"
    parts = ("tests", "off_policy", "bandit", "money", "habits", "frontier", "segments")
    assert {name: facts[name]["status"] for name in parts} == dict.fromkeys(parts, "ok"), facts
    assert set(facts["tables"]) >= {
        "tests",
        "off_policy",
        "allocation",
        "regret",
        "opportunity",
        "frontier",
        "segments",
    }
    assert len(json.dumps(facts)) < 10_000  # references and small JSON
    assert steps.experiments(lived["night"], lived["backtests"]) == facts


def test_a_running_test_is_read_and_one_with_unknown_arms_refused(lived: dict[str, Any]) -> None:
    read = lived["facts"]["tests"]["read"]
    assert read["home"]["verdict"]["winner"] == "personal"  # planted: it knows people's tastes
    assert read["other"]["status"] == "refused"
    assert "an unknown arm" in read["other"]["reasons"][0]
    assert "personal" in read["other"]["reasons"][0]
    assert {row["test"] for row in rows(lived, "tests")} == {"home"}
    assert lived["facts"]["rungs"]["ab"] == "tests read: home"
    assert lived["decision"]["rungs"] == lived["facts"]["rungs"]


def test_contenders_have_off_policy_estimates_beside_the_logs(lived: dict[str, Any]) -> None:
    found = {row["contender"]: row for row in rows(lived, "off_policy")}
    assert set(found) == {"popularity", "ease", "complements", "(the log itself)"}
    assert tuple(found["ease"]) == COLUMNS
    log = found["(the log itself)"]
    assert log["low"] < log["estimate"] < log["high"]
    for row in found.values():  # a few hundred slates only: who is refused keeps its number to itself and says why
        assert (row["estimate"] is None) == (row["status"] == "refused")
        assert row["reasons"] or row["status"] == "ok"
    assert lived["facts"]["metrics"]["off_policy.log"] == log["estimate"]


def test_the_generation_holds_the_allocation_and_the_arms_lists(lived: dict[str, Any]) -> None:
    lake = lived["lake"]
    entry = publication.current(lake)
    text = publication.read_file(lake, entry, "allocation.json").decode()
    shares = Allocation.from_json(text)
    assert set(shares.arms) == {"champion", "ease", "popular"}  # nobody can serve the ghost
    assert min(shares.shares) > 0.02  # a fair part of the floor: everybody can be learnt from
    assert {"lists-ease.parquet", "arm-ease.safetensors"} <= set(entry.manifest["files"])
    assert set(json.loads(text)["tests"]) == {"home", "other"}
    arm, share = allocated(shares, "C000001")
    assert share == dict(zip(shares.arms, shares.shares, strict=True))[arm]


def test_the_switch_holds_at_once_and_from_generation_to_generation(lived: dict[str, Any]) -> None:
    lake, config = lived["lake"], str(lived["root"] / "recsys.toml")
    with pytest.raises(UsageError, match="no seller 'nobody'"):
        arms.switch(lake, ["nobody"], "why not")
    run = CliRunner().invoke(build(), ["allocation", "set", "seller-002", "--off", "--config", config])
    assert run.exit_code == 0, run.output
    entry = publication.current(lake)
    assert arms.switched_off(lake) == ["seller-002"]
    shares = Allocation.from_json(publication.read_file(lake, entry, "allocation.json").decode())
    assert allocated(shares, "C000001", "seller-002") == ("popular", 1.0)
    assert publication.read_file(lake, entry, "lists.parquet")  # the rest is served as before
    assert publication.standing(lake).champion == lived["decision"]["champion"]
    told = CliRunner().invoke(build(), ["allocation", "show", "--config", config]).output
    assert "off         seller-002" in told
    material = Material(*steps._open(lived["night"]), lived["night"], {})
    files, _, facts = arms.arm_files(material, lived["facts"])  # the next night's
    assert facts["off"] == ["seller-002"]
    assert json.loads(files["allocation.json"])["off"] == ["seller-002"]
    run = CliRunner().invoke(build(), ["allocation", "set", "seller-002", "--on", "--config", config])
    assert run.exit_code == 0, run.output
    assert arms.switched_off(lake) == []
    with pytest.raises(UsageError, match="stands like this already"):
        arms.switch(lake, [], "again")


def test_the_page_shows_it_all(lived: dict[str, Any]) -> None:
    settings, lake = steps._open(lived["night"])
    told = [lived[name] for name in ("night", "backtests", "decision", "published")]
    page = Page(settings, lake, *told, {"experiments": lived["facts"]})
    html = visitors.build(page)
    assert html is not None
    for words in (
        "winner personal",
        "other: refused",
        "Off-policy estimates",
        "Regret",
        "nobody has seen the arm ghost",
    ):
        assert words in html
    worth = money.build(page)
    assert worth is not None
    for words in ("Assumptions beside the results", "Orders per arm", "a category bought before", "Revenue frontier"):
        assert words in worth
    parts = segments.build(page)
    assert parts is not None
    for words in ("returning", "tail", "seller-001", "Best here"):
        assert words in parts


def test_one_part_that_fails_stops_neither_the_others_nor_the_night(
    lived: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(worth.opportunity, "opportunity_tables", broken)
    night = {**lived["night"], "key": "another"}
    facts = steps.experiments(night, lived["backtests"])
    assert facts["money"] == {"status": "failed", "reason": "ZeroDivisionError: planted"}
    assert facts["tests"]["status"] == "ok"


def test_orders_and_the_past_are_read_once(lived: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    read, scanned = [], []
    read_value, scan_frames = Lake.read_value, Lake.scan_frames
    monkeypatch.setattr(
        Lake, "read_value", lambda lake, kind, ref: read.append(ref.path) or read_value(lake, kind, ref)
    )
    monkeypatch.setattr(Lake, "scan_frames", lambda lake, refs: scanned.append(1) or scan_frames(lake, refs))
    facts = steps.experiments({**lived["night"], "key": "counted"}, lived["backtests"])
    assert facts["frontier"]["status"] == facts["off_policy"]["status"] == facts["money"]["status"] == "ok"
    assert len(scanned) == 1
    assert len(set(read)) == len(read)


def test_a_refused_file_is_told_above_what_rests_on_older_ones(lived: dict[str, Any]) -> None:
    settings, lake = steps._open(lived["night"])
    told = [lived[name] for name in ("night", "backtests", "decision", "published")]
    facts = {**lived["facts"], "refused": ["new.csv lacks a column for propensity"]}
    facts["off_policy"] = {**facts["off_policy"], "left_out": {"ghost": "it knows nobody"}}
    html = visitors.build(Page(settings, lake, *told, {"experiments": facts}))
    assert html is not None
    for words in ("were refused", "new.csv lacks a column", "ghost is left out: it knows nobody", "winner personal"):
        assert words in html
    assert "were refused" not in str(visitors.build(Page(settings, lake, *told, {"experiments": lived["facts"]})))


def test_without_exposures_the_reason_is_told(lived: dict[str, Any], tmp_path: Path) -> None:
    bare = TOML.replace('[exposures]\npath = "data/exposures.csv.gz"\n', "").replace(
        'path = "data/', f'path = "{lived["root"]}/data/'
    )
    (tmp_path / "recsys.toml").write_text(bare)
    night = steps.prepare(steps.ingest(steps.start_night({"config": str(tmp_path / "recsys.toml")})))
    facts = steps.experiments(night, [])
    assert facts["reason"] == "No exposures were handed over."
    assert facts["money"]["status"] == "ok"
    assert facts["vetoes"] == {}
    night["ingested"] = {"refused": {"shown.csv": "shown.csv lacks a column for propensity"}}
    night["key"] = "refused"
    assert "lacks a column" in steps.experiments(night, [])["reason"]
