"""The evidence commands end to end: what a person reads, the JSON a machine reads, and errors in words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from recsys.cli import build, main

RUN = CliRunner()


def run(*words: str) -> str:
    result = RUN.invoke(build(), [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the console command says on stderr when it leaves with code 2."""
    monkeypatch.setattr(sys, "argv", ["recsys", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def exposures(folder: Path, n: int = 4000) -> Path:
    """Slates of two products of four, the better ones shown less; clicks by product."""
    rng, chance = np.random.default_rng(0), np.array([0.4, 0.3, 0.2, 0.1])
    product = rng.choice(4, n, p=chance)
    frame = pl.DataFrame(
        {
            "visitor": [f"v{i // 4}" for i in range(n)],
            "slate": [f"s{i // 2}" for i in range(n)],
            "position": [1 + i % 2 for i in range(n)],
            "product": [f"p{j}" for j in product],
            "propensity": chance[product],
            "outcome": (rng.random(n) < np.array([0.1, 0.2, 0.3, 0.4])[product]).astype(int),
        }
    )
    frame.write_csv(folder / "log.csv")
    return folder / "log.csv"


def visitors(folder: Path, rates: dict[str, float], n: int = 6000) -> Path:
    rng, names = np.random.default_rng(1), list(rates)
    arm = rng.integers(0, len(names), n)
    orders = (rng.random(n) < np.array(list(rates.values()))[arm]).astype(int)
    frame = pl.DataFrame(
        {
            "visitor": [f"v{i}" for i in range(n)],
            "arm": [names[a] for a in arm],
            "time": [1_740_000_000 + 86_400 * (i % 14) for i in range(n)],
            "orders": orders,
            "items": orders * 2,
            "revenue": orders * rng.gamma(4, 5, n),
        }
    )
    frame.write_csv(folder / "ab.csv")
    return folder / "ab.csv"


def test_ope(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    pl.DataFrame({"product": ["p0", "p1", "p2", "p3"], "propensity": [0.1, 0.2, 0.3, 0.4]}).write_csv(
        tmp_path / "p.csv"
    )
    text = run("ope", exposures(tmp_path), "--policy", tmp_path / "p.csv", "--json", out)
    assert "target chooses the product: ok" in text
    found = json.loads(out.read_text())
    assert set(found) == {"action", "exposures", "slates", "notes"}
    values = {e["method"]: e for e in found["exposures"]["estimates"]}
    assert set(values) == {"ips", "snips", "dr", "sndr", "switch", "dros", "dm"}
    assert set(values["ips"]) == {"method", "value", "se", "low", "high", "n", "status", "reasons"}
    truth = 0.1 * 0.1 + 0.2 * 0.2 + 0.3 * 0.3 + 0.4 * 0.4
    assert values["dr"]["low"] < truth < values["dr"]["high"]
    assert [e["method"] for e in found["slates"]] == ["rips", "cascade_dr", "iips", "sips"]
    rips = found["slates"][0]
    assert rips["low"] < 2 * truth < rips["high"]
    assert {"ess", "ess_share", "mean_weight", "max_share", "unseen"} <= set(found["exposures"]["diagnostics"])
    assert f"{values['dr']['value']:.5g}" in text


def test_a_refused_estimate_keeps_its_number_to_itself(tmp_path: Path) -> None:
    pl.DataFrame({"product": ["p3", "new"], "propensity": [0.2, 0.8]}).write_csv(tmp_path / "p.csv")
    text = run("ope", exposures(tmp_path), "--policy", tmp_path / "p.csv")
    assert "nobody saw" in text
    assert text.count("refused") >= 6


def test_ab_plan(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    text = run("ab", "plan", "--base", "0.03", "--lift", "0.1", "--daily", "5000", "--json", out)
    found = json.loads(out.read_text())
    assert found["per_arm"] == 53_211
    assert found["days"] == 28
    assert set(found) == {"question", "per_arm", "total", "alpha_each", "days", "ramp", "curve"}
    assert "53,211 visitors per arm, 106,422 in 2 arms, 28 days" in text
    basket = run(
        "ab", "plan", "--metric", "mean", "--base", "1.25", "--sd", "0.7", "--difference", "0.1", "--arms", "3"
    )
    assert "in 3 arms" in basket


def test_ab_read(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    path = visitors(tmp_path, {"control": 0.10, "als": 0.15})
    text = run("ab", "read", path, "--arms", "control=0.5,als=0.5", "--planned", "2500", "--json", out)
    assert "winner: als" in text
    found = json.loads(out.read_text())
    assert found["verdict"]["winner"] == "als"
    assert set(found) == {"status", "reasons", "metric", "arms", "srm_p", "comparisons", "verdict", "level"}
    assert found["level"] == 0.95
    metrics = [row["metric"] for row in found["comparisons"]]
    assert metrics == [
        "conversion",
        "orders_per_visitor",
        "revenue_per_visitor",
        "items_per_order",
        "revenue_per_order",
    ]
    assert set(found["comparisons"][0]["difference"]) == {"value", "low", "high", "p", "lift", "lift_low", "lift_high"}


def test_ab_read_of_equal_arms_names_nobody(tmp_path: Path) -> None:
    text = run("ab", "read", visitors(tmp_path, {"control": 0.1, "a": 0.1, "b": 0.1}), "--planned", "1000")
    assert "winner: nobody" in text
    assert "equal ones are assumed" in text
    assert "tied: control, a, b" in text


def test_ab_read_stops_at_a_bad_split(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    path = visitors(tmp_path, {"control": 0.1, "als": 0.2})
    text = run("ab", "read", path, "--arms", "control=0.7,als=0.3", "--json", out)
    assert "sample ratio mismatch" in text
    assert json.loads(out.read_text())["comparisons"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ope", "{log}", "--policy", "none.csv"), "none.csv; got no such file"),
        (("ope", "{ab}", "--policy", "uniform"), "wanted a column propensity"),
        (("ope", "{log}", "--policy", "uniform", "--action", "joy"), "wanted product or arm"),
        (("ope", "{log}", "--policy", "uniform", "--level", "95"), "a share between 0 and 1"),
        (("ab", "plan", "--base", "0.03"), "one of them"),
        (("ab", "plan", "--base", "3", "--lift", "0.1"), "a conversion between 0 and 1 (3 % is 0.03)"),
        (("ab", "read", "{ab}", "--arms", "control=0.5,ease=0.5"), "unknown als"),
        (("ab", "read", "{ab}", "--arms", "control"), "name=share"),
        (("ab", "read", "{ab}", "--arms", "control=0.5,als=0.6"), "1 in all"),
        (("ab", "read", "{ab}", "--metric", "joy"), "wanted conversion or"),
        (("ab", "read", "{log}"), "wanted a column arm"),
        (("ab", "read", "{ab}", "--json", "/nowhere/out.json"), "a file that can be written"),
    ],
)
def test_errors_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    files = {"{log}": exposures(tmp_path, 200), "{ab}": visitors(tmp_path, {"control": 0.1, "als": 0.1}, 400)}
    assert message in refused(monkeypatch, capsys, *(files.get(w, w) for w in words))


def test_one_sided_traffic_is_a_result_not_an_error(tmp_path: Path) -> None:
    path = visitors(tmp_path, {"control": 0.1}, 300)
    text = run("ab", "read", path, "--arms", "control=0.5,als=0.5")
    assert "refused" in text
    assert "one-sided traffic" in text
