"""A log in a file gives the numbers of the arrays, in one chunk or in many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.data.marketplace import PRESETS
from recsys.data.simulate import simulate
from recsys.evaluation import files, ope
from recsys.evaluation.offpolicy import evaluate
from recsys.evaluation.ope import answer
from tests.evaluation import obd
from tests.evaluation.test_offpolicy import world


def write(folder: Path, seed: int = 1, n: int = 3000, **more: object) -> Path:
    log, _, _ = world(n, 5, 0.4, seed)
    columns = {"visitor": [f"v{i // 3}" for i in range(n)], "product": log.arms.ids[log.arm].tolist(),
               "propensity": log.propensity, "outcome": log.outcome} | more  # fmt: skip
    pl.DataFrame(columns).write_parquet(folder / "log.parquet")
    return folder / "log.parquet"


def policy(folder: Path) -> str:
    _, target, _ = world(10, 5, 0.4, 1)
    pl.DataFrame({"product": [str(i) for i in range(5)], "propensity": target.table[0]}).write_csv(
        folder / "policy.csv"
    )
    return str(folder / "policy.csv")


def test_the_file_and_the_arrays_agree(tmp_path: Path) -> None:
    log, target, truth = world(3000, 5, 0.4, 1)
    found = answer(write(tmp_path), policy(tmp_path)).exposures
    plain = evaluate(log, target)
    for method in ("ips", "snips"):
        assert found[method].value == pytest.approx(plain[method].value, rel=1e-12)  # type: ignore[index]
    assert found.diagnostics.ess == pytest.approx(plain.diagnostics.ess)
    assert found.diagnostics.groups < plain.diagnostics.groups  # three exposures a visitor
    assert found["dr"].low < truth < found["dr"].high


def test_many_chunks_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, wanted = write(tmp_path), policy(tmp_path)
    one = answer(path, wanted)
    monkeypatch.setattr(files, "CHUNK", 700)
    monkeypatch.setattr(ope, "IN_MEMORY", 100)
    many = answer(path, wanted)
    for a, b in zip(one.exposures.estimates, many.exposures.estimates, strict=True):
        assert (a.method, a.n) == (b.method, b.n)
        assert (b.value, b.se) == (pytest.approx(a.value, rel=1e-12), pytest.approx(a.se, rel=1e-9))


def test_context_is_used_where_it_fits_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, (log, target, _) = np.random.default_rng(0), world(3000, 5, 0.8, 1)
    age = rng.normal(size=3000)
    clicks = (rng.random(3000) < 1 / (1 + np.exp(-3 * age))) * 1.0
    path = write(tmp_path, product=log.arms.ids[log.arm].tolist(), propensity=log.propensity, x_age=age, outcome=clicks)
    pl.DataFrame({"product": list("01234"), "propensity": target.table[0]}).write_csv(tmp_path / "p.csv")
    with_age = answer(path, str(tmp_path / "p.csv"))
    monkeypatch.setattr(ope, "IN_MEMORY", 100)
    without = answer(path, str(tmp_path / "p.csv"))
    assert with_age.exposures["dr"].se < 0.9 * without.exposures["dr"].se
    assert any("x_ columns are not used" in note for note in without.notes)


def test_the_marketplace_log_by_slate(tmp_path: Path) -> None:
    """The same answer as `test_slates` finds from arrays, now from files and with the target per slate."""
    frame = simulate(PRESETS["small"]).exposures
    frame.write_csv(tmp_path / "log.csv")
    chance = 1 / (36 - frame["position"] + 1)
    frame.select("slate", "position").with_columns(propensity=chance).write_csv(tmp_path / "policy.csv")
    found = answer(tmp_path / "log.csv", str(tmp_path / "policy.csv"))
    rips = next(e for e in found.slates if e.method == "rips")
    assert (found.action, rips.status, rips.n) == ("product", "ok", frame["slate"].n_unique())
    assert rips.high < frame["outcome"].sum() / rips.n
    assert "support is not checked" in found.notes[0]


def test_slates_with_gaps_are_left_out_in_words(tmp_path: Path) -> None:
    n = 3000
    path = write(tmp_path, slate=[f"s{i // 2}" for i in range(n)], position=[1 + 2 * (i % 2) for i in range(n)])
    found = answer(path, "uniform")
    assert found.slates == ()
    assert "no slate estimates" in found.notes[-1]
    assert found.exposures["ips"].status == "ok"


def test_an_arm_nobody_saw(tmp_path: Path) -> None:
    path = write(tmp_path)
    pl.DataFrame({"product": ["0", "new"], "propensity": [0.4, 0.6]}).write_csv(tmp_path / "p.csv")
    found = answer(path, str(tmp_path / "p.csv")).exposures
    assert found.status == "refused"
    assert "60.0% of the target's choices are arms nobody saw" in " ".join(found.reasons)


@obd.missing
def test_open_bandit_from_its_own_file(tmp_path: Path) -> None:
    """Columns renamed, nothing else: the golden figures again, through the front door."""
    source = pl.read_csv(obd.DATA / "bts" / "men" / "men.csv.gz")
    renamed = {"item_id": "product", "propensity_score": "propensity", "click": "outcome"}
    source.rename(renamed).select("position", *renamed.values()).write_csv(tmp_path / "men.csv")
    found = answer(tmp_path / "men.csv", "uniform").exposures
    assert found["ips"].value == pytest.approx(0.003008626, abs=1e-8)
    assert found["snips"].value == pytest.approx(0.003189423, abs=1e-8)
    assert found.status == "warned"
