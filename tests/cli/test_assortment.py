import json

import pytest
from typer.testing import CliRunner

from recsys.cli import build, main
from recsys.errors import UsageError

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
    assert "drop b " in found.output


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


@pytest.fixture
def served(tmp_path):
    """A shop whose newest generation carries one segment's choice model."""
    import gzip
    from io import BytesIO

    import polars as pl

    from recsys import publication
    from recsys.data.lake import Lake

    config = tmp_path / "recsys.toml"
    config.write_text('runtime = "runtime"\n[publishing]\nassortment = 3\n')
    choices = gzip.compress(json.dumps({"north": {**RAW, "current": ["a"]}}).encode())
    told = json.dumps({"skipped": [{"segment": "south", "reason": "2 orders, too few"}]}).encode()
    products = BytesIO()
    pl.DataFrame({"product": ["a", "d"], "title": ["White mug", None]}).write_parquet(products)
    files = {"choices.json.gz": choices, "assortment.json": told, "products.parquet": products.getvalue()}
    lake = Lake(str(tmp_path / "runtime" / "lake"))
    publication.publish(lake, 0, files, {"key": "k", "champion": "c", "as_of": "2024-01-01", "day": 1}, {})
    return config


def test_a_segment_of_the_newest_generation(served, tmp_path) -> None:
    out = tmp_path / "answer.json"
    found = run("assortment", "--segment", "north", "--size", 2, "--config", served, "--json", out)
    assert found.exit_code == 0, found.output
    assert json.loads(out.read_text())["set"] == ["c", "d"]
    assert "rule at most 2 products: costs" in found.output
    assert "drop a" in found.output
    assert "White mug" in found.output
    assert "share" in found.output
    assert len(json.loads(run_set(served, tmp_path))) == 3
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"must_carry": ["a"]}))
    held = run("assortment", "--segment", "north", "--size", 2, "--config", served, "--constraints", rules)
    assert "rule must carry 'a': costs" in held.output


def run_set(served, tmp_path) -> str:
    """The set at the size recsys.toml states, as JSON text."""
    out = tmp_path / "by_default.json"
    run("assortment", "--segment", "north", "--config", served, "--json", out)
    return json.dumps(json.loads(out.read_text())["set"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--segment", "south"), "2 orders, too few"),
        (("--segment", "nowhere"), "no such segment; wanted one of north"),
        (("--segment", "north", "--instance", "x.json"), "got both"),
        ((), "wanted --segment or --instance"),
        (("--instance", "x.json", "--size", "3"), "--size; got beside --instance"),
    ],
)
def test_questions_that_make_no_sense_are_answered_in_words(served, arguments, words) -> None:
    found = run("assortment", *arguments, "--config", served)
    assert isinstance(found.exception, UsageError)
    assert words in str(found.exception)


def test_a_generation_without_assortments_says_so(tmp_path) -> None:
    from recsys import publication
    from recsys.data.lake import Lake

    config = tmp_path / "recsys.toml"
    config.write_text('runtime = "runtime"\n')
    found = run("assortment", "--segment", "north", "--config", config)
    assert "Nothing is published yet" in str(found.exception)
    lake = Lake(str(tmp_path / "runtime" / "lake"))
    publication.publish(lake, 0, {"a": b""}, {"key": "k", "champion": "c", "as_of": "2024-01-01", "day": 1}, {})
    found = run("assortment", "--segment", "north", "--config", config)
    assert "gen-000001 holds no assortment" in str(found.exception)


def test_a_price_outside_its_observed_range_is_refused_and_writes_nothing(tmp_path) -> None:
    stated, out = tmp_path / "instance.json", tmp_path / "answer.json"
    priced = {"model": "mnl", "utilities": [1.0, 0.5], "prices": [3.0, 9.0], "price_sensitivity": 0.5,
              "price_range": [2, 6]}  # fmt: skip
    stated.write_text(json.dumps(priced))
    found = run("assortment", "--instance", stated, "--json", out)
    assert "prices[1] is outside its observed range; got 9; wanted 2 to 6" in str(found.exception)
    assert not out.exists()


def test_one_product_and_nothing_bought_are_said_in_words(tmp_path) -> None:
    stated = tmp_path / "instance.json"
    stated.write_text(json.dumps({"model": "mnl", "utilities": [1.0], "revenues": [3.0]}))
    assert "there is nothing to choose: add products" in run("assortment", "--instance", stated).output
    stated.write_text(json.dumps({"model": "mnl", "preferences": [0.0, 0.0], "revenues": [3.0, 1.0]}))
    found = run("assortment", "--instance", stated)
    assert "all zero; wanted at least one product somebody buys" in str(found.exception)
