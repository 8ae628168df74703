"""What a person asks and orders after a night, and what the next nights make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recsys import publication, steps
from recsys.cli import build
from recsys.data.lake import Lake
from recsys.errors import RecsysError, UsageError
from tests.shops import live
from tests.test_steps import TOML, write_orders

FEW = ("popularity_28d", "item_neighbours")


class Shop:
    """A small shop whose nights go up to the publication."""

    def __init__(self, root: Path) -> None:
        self.root, self.config = root, str(root / "recsys.toml")
        Path(self.config).write_text(TOML.format(root=root))
        self.lake = Lake(str(root / "runtime" / "lake"))

    def night(self, last: str, **params: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """(decision, publication) of the night whose newest order line is of day `last`."""
        write_orders(self.root / "orders.csv", last)
        asked = {"config": self.config, "contenders": list(FEW), **params}
        told = live(asked)
        return told["decision"], told["publication"]

    def tell(self, *words: str, code: int = 0) -> str:
        answer = CliRunner().invoke(build(), [*words, "--config", self.config], catch_exceptions=False)
        assert answer.exit_code == code, answer.output
        return answer.output

    def now(self) -> publication.Standing:
        return publication.standing(self.lake)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.night("2024-03-21")
    return shop


@pytest.mark.slow
def test_a_customer_a_stranger_a_product_and_a_basket_get_answers(shop: Shop) -> None:
    assert shop.tell("recommend", "c01", "--k", "3").count("\n") == 3
    stranger = shop.tell("recommend", "nobody", "--segment", "north", "--k", "2")
    assert "the list of north" in stranger
    assert "the list of default" in shop.tell("recommend", "nobody", "--k", "2")
    similar = shop.tell("similar", "p101", "--k", "4").splitlines()
    assert len(similar) == 4
    assert "p101" not in [line.split()[1] for line in similar]
    assert all(line.split()[1].startswith("p1") for line in similar)  # of the same tribe
    assert shop.tell("complete", "p101", "p102", "--k", "2").count("\n") == 2
    with pytest.raises(UsageError, match=r"Did you mean .*p101"):
        shop.tell("similar", "p1011")
    with pytest.raises(UsageError, match="No product 'zz'"):
        shop.tell("complete", "p101", "zz")


@pytest.mark.slow
def test_show_history_and_doctor_tell_what_is(shop: Shop) -> None:
    shown = shop.tell("champion", "show")
    assert "item_neighbours" in shown
    assert "gen-000001" in shown
    assert "0 nights old" in shown
    assert "publish" in shop.tell("champion", "history")
    assert "agree" in shop.tell("champion", "doctor")


@pytest.mark.slow
def test_before_the_first_night_everything_says_so(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for words in (("recommend", "c01"), ("similar", "p"), ("champion", "show"), ("champion", "promote", "x")):
        with pytest.raises(RecsysError, match="Nothing is published yet"):
            shop.tell(*words)
    with pytest.raises(UsageError, match="roll back"):
        shop.tell("champion", "rollback")


@pytest.mark.slow
def test_promotion_by_hand_rollback_bar_and_release_over_the_nights(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.night("2024-03-21")[1]["champion"] == "item_neighbours"
    with pytest.raises(UsageError, match="wanted one of item_neighbours, popularity_28d"):
        shop.tell("champion", "promote", "als")
    shop.tell("champion", "promote", "popularity_28d", "--why", "a campaign")
    assert shop.now().champion == "item_neighbours"  # until the next night

    decision, published = shop.night("2024-03-22", contenders=["item_neighbours"])  # in the contest though not ticked
    assert (decision["action"], published["champion"], published["current"]) == ("promote", "popularity_28d", True)
    assert "by hand" in decision["reasons"][0]
    assert shop.now().wanted is None

    shop.tell("champion", "promote", "item_neighbours")
    assert shop.night("2024-03-23")[1]["champion"] == "item_neighbours"
    assert "is served again" in shop.tell("champion", "rollback", "--why", "sales fell")
    assert (shop.now().champion, shop.now().barred) == ("popularity_28d", ("item_neighbours",))
    decision, published = shop.night("2024-03-24")
    assert (published["champion"], published["current"]) == ("popularity_28d", True)
    assert not decision["gates"]["item_neighbours"]["failed"]
    assert decision["tests"] == []
    assert shop.now().barred == ("item_neighbours",)  # night after night

    shop.tell("champion", "release")
    assert shop.now().barred == ()
    decision, _ = shop.night("2024-03-25")
    assert [test["challenger"] for test in decision["tests"]] == ["item_neighbours"]
    assert publication.doctor(shop.lake) == []


@pytest.mark.slow
def test_a_rollback_within_one_champion_holds_publishing_until_released(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.night("2024-03-21")
    shop.night("2024-03-22")
    assert "held until" in shop.tell("champion", "rollback")
    decision, published = shop.night("2024-03-23")
    assert decision["action"] == "keep"
    assert (published["generation"], published["current"]) == (None, False)
    assert "release" in published["why"]
    shop.tell("champion", "release")
    again = shop.night("2024-03-23")[1]
    assert (again["current"], again["as_of"]) == (True, "2024-03-22")


@pytest.mark.slow
def test_what_a_person_does_while_a_night_runs_wins(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.night("2024-03-21")
    write_orders(tmp_path / "orders.csv", "2024-03-22")
    night = steps.prepare(steps.ingest(steps.start_night({"config": shop.config, "contenders": list(FEW)})))
    backtests = [steps.backtest(night, name) for name in night["contenders"]]
    decision = steps.decide(night, backtests, steps.judge(night))
    fits = [steps.fit(night, name) for name in night["contenders"]]
    shop.tell("champion", "promote", "popularity_28d")
    with pytest.raises(RecsysError, match="while this night was running"):
        steps.publish(night, decision, fits)
    decision = steps.decide(night, backtests, steps.judge(night))
    assert steps.publish(night, decision, fits)["champion"] == "popularity_28d"
