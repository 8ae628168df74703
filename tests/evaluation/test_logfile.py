"""Exposure logs and policies in files: what is read, what is missing, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.errors import DataError
from recsys.evaluation import files
from recsys.evaluation.exposures import concatenate
from recsys.evaluation.logfile import NO_VISITOR, RowTarget, open_log, read_target, target_arms
from recsys.evaluation.targets import Target

HEAD = "time,visitor,surface,slate,position,product,propensity,arm,outcome,x_age,x_kind\n"
ROWS = (
    "2025-01-01T00:00:00Z,v1,home,s1,1,mug,0.5,als,0,30,new\n"
    "2025-01-01T00:00:00Z,v1,home,s1,2,cap,0.25,als,1,30,new\n"
    "2025-01-02T00:00:00Z,v2,cart,s2,1,cap,0.125,ease,2,41,old\n"
)


def put(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_full_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 2)
    source = open_log(put(tmp_path, HEAD + ROWS))
    assert (source.action, source.rows, source.positions, source.notes) == ("product", 3, 2, ())
    log = concatenate(list(source.batches()))
    assert list(log.arms.ids) == ["cap", "mug"]
    assert log.arm.tolist() == [1, 0, 0]
    assert log.propensity.tolist() == [0.5, 0.25, 0.125]
    assert log.outcome.tolist() == [0, 1, 2]
    assert log.position.tolist() == [1, 2, 1]
    assert log.time.tolist() == [1735689600, 1735689600, 1735776000]
    assert log.visitor[0] == log.visitor[1] != log.visitor[2]
    assert log.slate[0] == log.slate[1] != log.slate[2]
    assert log.surfaces.ids[log.surface].tolist() == ["home", "home", "cart"]
    assert log.context is not None
    assert log.context.tolist() == [[30, 0], [30, 0], [41, 1]]


def test_a_bare_log_says_what_it_cannot(tmp_path: Path) -> None:
    source = open_log(put(tmp_path, "arm,propensity,outcome\na,0.5,1\nb,0.5,0\n"), arms=("c",))
    assert source.notes == (NO_VISITOR,)
    log = concatenate(list(source.batches()))
    assert list(log.arms.ids) == ["a", "b", "c"]
    assert log.visitor.tolist() == log.slate.tolist() == [0, 1]
    assert log.context is None


def test_the_arm_instead_of_the_product(tmp_path: Path) -> None:
    source = open_log(put(tmp_path, HEAD + ROWS), "arm")
    assert list(source.arms.ids) == ["als", "ease"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arm,outcome\na,1\n", "wanted a column propensity.*moment|wanted a column propensity. Log the probability"),
        ("arm,propensity\na,1\n", "wanted a column outcome"),
        ("propensity,outcome\n1,1\n", "wanted a column arm"),
        ("arm,propensity,outcome\na,0.5,0\na,0,1\n", r"log.csv, row 2: column propensity.*got 0.0"),
        ("arm,propensity,outcome\na,0.5,0\na,1.2,1\n", r"row 2: column propensity.*got 1.2"),
        ("arm,propensity,outcome\na,0.5,-2\n", r"row 1: column outcome.*got -2.0.*returns"),
        ("arm,propensity,outcome\na,,0\n", "row 1: column propensity"),
        ("arm,propensity,outcome\n,0.5,0\n", "row 1: column arm.*wanted an id"),
        ("arm,propensity,outcome,position\na,0.5,0,1.5\n", "column position.*whole number"),
        ("arm,propensity,outcome,position\na,0.5,0,0\n", "column position.*1 for the top"),
    ],
)
def test_logs_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        list(open_log(put(tmp_path, text)).batches())


def test_a_context_with_too_many_values(tmp_path: Path) -> None:
    rows = "".join(f"a,0.5,0,kind{i}\n" for i in range(60))
    with pytest.raises(DataError, match="column x_kind; got 60 values"):
        open_log(put(tmp_path, "arm,propensity,outcome,x_kind\n" + rows))


def test_a_policy_by_product(tmp_path: Path) -> None:
    source = open_log(put(tmp_path, HEAD + ROWS))
    path = put(tmp_path, "product,position,propensity\ncap,1,0.75\nmug,1,0.25\nmug,2,1\n", "policy.csv")
    target = read_target(path, source)
    assert isinstance(target, Target)
    assert target.table.tolist() == [[0.75, 0.25], [0, 1]]
    assert target_arms(path, "product") == ("cap", "mug", "mug")
    flat = read_target(put(tmp_path, "product,propensity\ncap,0.4\nmug,0.6\n", "flat.csv"), source)
    assert isinstance(flat, Target)
    assert flat.table.tolist() == [[0.4, 0.6]]


def test_a_policy_by_slate(tmp_path: Path) -> None:
    source = open_log(put(tmp_path, HEAD + ROWS))
    path = put(tmp_path, "slate,position,propensity\ns2,1,0.3\ns1,2,0.2\ns1,1,0.1\n", "policy.csv")
    target = read_target(path, source)
    assert isinstance(target, RowTarget)
    assert target_arms(path, "product") == ()
    assert target.logged(concatenate(list(source.batches()))).tolist() == [0.1, 0.2, 0.3]
    short = read_target(put(tmp_path, "slate,position,propensity\ns1,1,0.1\n", "short.csv"), source)
    with pytest.raises(DataError, match="no row for 2 exposures"):
        short.logged(concatenate(list(source.batches())))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("product,propensity\ncap,0.4\nmug,0.5\n", "sum of 0.9"),
        ("product,propensity\ncap,1.4\nmug,-0.4\n", r"outside \[0, 1\]"),
        ("product,share\ncap,1\n", "wanted a column propensity"),
        ("design,propensity\ncap,1\n", "wanted a column slate. Give a probability per product"),
        ("product,position,propensity\ncap,0,1\n", "1 for the top"),
    ],
)
def test_policies_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    source = open_log(put(tmp_path, HEAD + ROWS), arms=("cap", "mug"))
    with pytest.raises(DataError, match=words):
        read_target(put(tmp_path, text, "policy.csv"), source)


def test_keys_of_slates_do_not_meet(tmp_path: Path) -> None:
    rows = "".join(f"s{i},{p},0.5\n" for i in range(2000) for p in (1, 2, 3))
    log = "".join(f"s{i},{p},a,0.5,0\n" for i in range(2000) for p in (1, 2, 3))
    source = open_log(put(tmp_path, "slate,position,arm,propensity,outcome\n" + log))
    target = read_target(put(tmp_path, "slate,position,propensity\n" + rows, "policy.csv"), source)
    assert isinstance(target, RowTarget)
    assert len(np.unique(target.keys)) == 6000
