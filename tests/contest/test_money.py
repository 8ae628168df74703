"""The nightly opportunity: what is measured, what is assumed, which model's hit rate is used."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from recsys.assortment.assumption import Assumptions, Input
from recsys.assortment.opportunity import Lines, Opportunity, opportunity
from recsys.config import Shop
from recsys.contest import money


def sales(singles: int, pairs: int, seller: str = "anna") -> pl.DataFrame:
    """Single-item orders of 20, two-item orders of 10 and 30."""
    rows = [(f"{seller}s{i}", f"c{i}", "p1", seller, 1.0, 20.0) for i in range(singles)]
    for i in range(pairs):
        rows += [(f"{seller}t{i}", f"d{i}", p, seller, 1.0, v) for p, v in (("p1", 30.0), ("p2", 10.0))]
    columns = ["order", "customer", "product", "seller", "units", "revenue"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_the_opportunity_by_hand_at_every_uptake() -> None:
    given = Assumptions(hit_rate=0.25, returned=Input(0.1), profit_share=Input(0.2))
    rows, _ = money.opportunity_tables(money.lines_of(sales(400, 100)), given, 0)
    assert [row["uptake"] for row in rows] == list(money.UPTAKES)
    goal = rows[-1]
    assert goal["single_share"] == 0.8
    assert goal["line"] == 10.0
    assert goal["sales"] == pytest.approx(400 * 0.10 * 10 * 0.9, rel=0.02)
    assert goal["sales_low"] < goal["sales"] < goal["sales_high"]
    assert goal["profit"] == pytest.approx(0.2 * goal["sales"])
    assert goal["within_reach"] == pytest.approx(0.25 * goal["sales"])
    assert tuple(goal) == money.COLUMNS
    assert rows[0]["orders_per_arm"] > 100 * goal["orders_per_arm"]  # half a percent needs far more than ten


def test_sellers_have_rows_of_their_own() -> None:
    both = pl.concat([sales(400, 100), sales(50, 40, "bert")])
    rows, _ = money.opportunity_tables(money.lines_of(both), Assumptions(), 0)
    assert [row["scope"] for row in rows] == ["shop"] * len(money.UPTAKES) + ["anna", "bert"]
    assert (rows[-1]["orders"], rows[-1]["single_orders"]) == (90, 50)


def test_orders_are_drawn_once_for_all_uptakes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Assumptions] = []

    def once(lines: Lines, given: Assumptions, seed: int) -> tuple[Opportunity, ...]:
        asked.append(given)
        return opportunity(lines, given, seed)

    monkeypatch.setattr(money, "opportunity", once)
    lines, given = money.lines_of(sales(400, 100)), Assumptions(hit_rate=0.3, returned=Input(0.1, 0.02))
    rows, swings = money.opportunity_tables(lines, given, 5)
    assert len(asked) == 1
    for row in rows:  # as if orders had been drawn for each
        (alone,) = opportunity(lines, replace(given, uptake=Input(row["uptake"])), 5)
        assert row == pytest.approx(money._row(alone, row["uptake"]))
    assert [s["input"] for s in swings] == [name for name, _, _ in alone.swings]


def test_returns_are_measured_and_profit_is_the_take_rate() -> None:
    lines = pl.DataFrame(
        {
            "kind": ["sale", "sale", "return", "return", "non_product"],
            "day": [1, 2, 3, 9, 1],
            "quantity": [2.0, 1.0, -1.0, -5.0, 1.0],
            "price": [40.0, 20.0, 5.0, 40.0, 900.0],
        }
    )
    assert money.returned_share(lines, 5) == 0.05
    assert money.returned_share(lines.filter(pl.col("kind") == "return"), 5) == 0.0
    given = money.assumptions(Shop(take_rate=0.286), 0.4, 0.05)
    assert (given.profit_share.mean, given.returned.mean, given.hit_rate) == (0.286, 0.05, 0.4)
    assert money.assumptions(Shop(), None, 0.0).profit_share == Assumptions().profit_share


def record(name: str, family: str, hit: float | None, status: str = "ok") -> dict[str, object]:
    metrics = {"hit_at_10": {"mean": hit}}
    return {"name": name, "family": family, "status": status, "tracks": {"basket": {"metrics": metrics}}}


def test_the_hit_rate_is_of_the_model_that_fills_the_basket_surface() -> None:
    field = [record("ease", "ease", 0.9), record("beside", "item_neighbours", 0.3), record("c", "complements", 0.5)]
    assert money.hit_rate(field, 10) == ("c", 0.5)
    assert money.hit_rate(field[:2], 10) == ("beside", 0.3)
    assert money.hit_rate([record("c", "complements", 0.5, "failed"), record("d", "complements", None)], 10) is None
