import json

import pytest
from typer.testing import CliRunner

from recsys.cli import build, main

RAW = {"model": "mixed_logit", "weights": [0.5, 0.5], "utilities": [[1, 0.5, -1, 0], [0, 1, 0.3, -0.2]],
       "revenues": [5, 4, 9, 7], "ids": ["a", "b", "c", "d"], "size": 2, "sellers": ["s", "s", "t", "t"]}  # fmt: skip


def run(*arguments: object):
    return CliRunner().invoke(build(), list(map(str, arguments)))


def test_an_instance_is_solved_and_written(tmp_path) -> None:
    stated, out = tmp_path / "instance.json", tmp_path / "answer.json"
    stated.write_text(json.dumps({**RAW, "current": ["b", "d"]}))
    found = run("assortment", "--instance", stated, "--json", out)
    assert found.exit_code == 0, found.output
    answer = json.loads(out.read_text())
    assert answer["set"] == ["c", "d"]
    assert answer["status"] == "optimal"
    assert answer["value"] == answer["bound"]
    assert answer["gap"] == 0
    assert {change["product"]: change["action"] for change in answer["changes"]} == {
        "b": "drop",
        "c": "add",
        "d": "keep",
    }
    assert "revenue per visitor" in found.output
    assert "rule at most 2 products: costs" in found.output
    assert "drop b:" in found.output


def test_rules_from_a_second_file_replace_the_instances(tmp_path) -> None:
    stated, rules, out = (tmp_path / name for name in ("instance.json", "rules.json", "answer.json"))
    stated.write_text(json.dumps({**RAW, "constraints": {"exclude": ["c"]}}))
    rules.write_text(json.dumps({"sellers": {"t": {"max": 0}}}))
    assert run("assortment", "--instance", stated, "--constraints", rules, "--json", out).exit_code == 0
    assert json.loads(out.read_text())["set"] == ["a", "b"]


@pytest.mark.parametrize("constraints", [{"sellers": {"s": {"min": 3}}}, {"must_carry": ["a", "b", "c"]}])
def test_infeasible_rules_end_in_words_and_write_nothing(tmp_path, capsys, monkeypatch, constraints) -> None:
    stated, out = tmp_path / "instance.json", tmp_path / "answer.json"
    stated.write_text(json.dumps({**RAW, "constraints": constraints}))
    monkeypatch.setattr("sys.argv", ["recsys", "assortment", "--instance", str(stated), "--json", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "No set of products obeys all rules" in error
    assert "Loosen or drop one" in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == [stated]


def test_the_claims_arithmetic_is_printed_and_written(tmp_path) -> None:
    out = tmp_path / "claim.json"
    found = run("opportunity", "--json", out)
    assert found.exit_code == 0, found.output
    for number in ("17.5000", "21.8750", "0.2857"):
        assert number in found.output
    claim = json.loads(out.read_text())["claim"]
    assert claim["per_order"] == 17.5
    assert claim["profit_share"] == pytest.approx(2 / 7)
    run("opportunity", "--single-share", 0.8, "--json", out)
    assert json.loads(out.read_text())["claim"]["per_order"] == 21.875
