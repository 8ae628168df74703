"""Off-policy estimates of contenders: against the truth of a marketplace, and where they must refuse."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recsys.contest import estimates
from recsys.contract import DAY, Catalogue, Dataset, Features, Space
from recsys.data.marketplace import WEEK, Marketplace, Size
from recsys.data.simulate import simulate
from recsys.data.trading import click_probability
from recsys.errors import EmptyError
from recsys.evaluation.offpolicy import Estimate
from recsys.ranking.policy import draw_slates
from recsys.scorers.linear import LinearScorer
from tests.worlds import dataset


@pytest.fixture(scope="module")
def market() -> Marketplace:
    return simulate(Size(customers=1500, products=90, sellers=5, days=70, seed=3, orders_per_customer=20))


def exposures(market: Marketplace) -> pl.DataFrame:
    """As the lake holds them."""
    time = pl.col("time").str.to_datetime(time_zone="UTC").dt.epoch("s")
    return market.exposures.with_columns(time=time).with_columns(day=(pl.col("time") // DAY).cast(pl.Int32))


def known(market: Marketplace) -> Dataset:
    """A Dataset whose rows are the truth's."""
    truth, base = market.truth, dataset([[0]], 1)
    m, u = len(truth.products), len(truth.customers)
    text = np.full(m, "", dtype=object)
    catalogue = Catalogue(text, truth.seller, text, np.ones(m, np.float32), np.ones(m, bool), text)
    return dataclasses.replace(
        base,
        space=Space(truth.customers, truth.products, truth.sellers, truth.segments),
        events=truth.purchases,
        catalogue=catalogue,
        customer_features=Features.none(u),
        product_features=Features.none(m),
        customer_segment=truth.segment[:u],
    )


def by_quality(market: Marketplace, sign: float = 1.0) -> LinearScorer:
    return LinearScorer(known(market).space, "none", bias=sign * market.truth.quality[None, :].astype(np.float32))


def true_value(market: Marketplace, scorer: Any, weeks: range) -> float:
    """Expected clicks per slate of the contender's policy, by the truth, over the logged visits."""
    truth, clicks = market.truth, []
    first = truth.start // DAY
    for week in weeks:
        (part,) = estimates.log_of(
            exposures(market), known(market), first + WEEK * week, first + WEEK * week + 6
        ).slates
        shelf = {p: i for i, p in enumerate(truth.products.ids[truth.logging.shelf[week]])}
        assert set(part.candidates) == set(shelf)  # every product of the shelf was shown at least once
        people = np.array([_person(market, v) for v in part.visitor], dtype=np.int32)
        appeal = click_probability(truth, week, people)[:, [shelf[p] for p in part.candidates]]
        for rows, chances in estimates._chances(scorer, part):
            drawn = draw_slates(chances, part.products.shape[1], week, estimates.FLOOR).products
            clicks.append(np.take_along_axis(appeal[rows], drawn.astype(np.int64), axis=1) @ truth.logging.examine)
    return float(np.concatenate(clicks).mean())


def _person(market: Marketplace, visitor: str) -> int:
    return int(visitor[1:]) if visitor.startswith("G") else market.truth.customers.row(visitor)


WEEKS = range(4, 10)


def log_of(market: Marketplace) -> estimates.Log:
    first = market.truth.start // DAY
    return estimates.log_of(exposures(market), known(market), first + WEEK * WEEKS.start, first + WEEK * WEEKS.stop - 1)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1.0, -0.3])
def test_the_truth_of_a_contender_lies_where_its_estimate_says(market: Marketplace, sign: float) -> None:
    scorer = by_quality(market, sign)
    found, estimate = estimates.evaluate_contender(scorer, log_of(market))
    assert estimate.method == "rips"
    assert estimate.status != "refused"
    assert found.diagnostics.mean_weight == pytest.approx(1, abs=0.05)
    truth = true_value(market, scorer, WEEKS)
    assert abs(estimate.value - truth) < 3 * estimate.se
    assert estimate.se < 0.15 * truth  # an interval that says something


def test_better_products_are_worth_more_and_the_worse_order_is_vetoed(market: Marketplace) -> None:
    log = log_of(market)
    good, bad = (estimates.evaluate_contender(by_quality(market, s), log)[1] for s in (1.0, -1.0))
    assert good.value > bad.value
    barred = estimates.vetoes({"good": good, "bad": bad}, "good", 0.95)
    assert list(barred) == ["bad"]
    assert "surely lower" in barred["bad"]
    assert estimates.vetoes({"good": good, "bad": bad}, "bad", 0.95) == {}  # the better one is not barred
    assert estimates.vetoes({"good": good, "bad": bad}, None, 0.95) == {}


def test_a_refused_estimate_vetoes_nobody_and_keeps_its_numbers(market: Marketplace) -> None:
    low = Estimate("rips", 0.1, 0.001, 0.098, 0.102, 500, "refused", ("too few",))
    high = Estimate("rips", 0.9, 0.001, 0.898, 0.902, 500)
    assert estimates.vetoes({"low": low, "high": high}, "high", 0.95) == {}
    found, _ = estimates.evaluate_contender(by_quality(market), log_of(market))
    row = estimates.estimate_row("low", found, low)
    assert (row["estimate"], row["low"], row["status"], row["reasons"]) == (None, None, "refused", "too few")


def test_who_is_surely_worse_depends_on_the_level_asked() -> None:
    """1.8 standard errors of the difference apart: outside a 90 % interval, inside a 95 % one."""
    low, high = (
        Estimate("rips", value, 0.1, value - 0.2, value + 0.2, 500) for value in (1.0, 1.0 + 1.8 * 0.1 * 2**0.5)
    )
    assert list(estimates.vetoes({"low": low, "high": high}, "high", 0.90)) == ["low"]
    assert estimates.vetoes({"low": low, "high": high}, "high", 0.95) == {}


def test_visitors_are_looked_up_once_for_all_contenders(market: Marketplace, monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(market)
    monkeypatch.setattr(estimates, "ask", None)  # whoever asks again fails
    values = {estimates.evaluate_contender(by_quality(market, sign), log)[1].value for sign in (1.0, -0.3, -1.0)}
    assert len(values) == 3


def test_a_product_the_scorer_does_not_know_is_shown_by_the_floor_only(market: Marketplace) -> None:
    part = log_of(market).slates[0]
    strange = dataclasses.replace(part, candidates=np.append(part.candidates, "zzz"))
    _, chances = next(estimates._chances(by_quality(market), strange))
    assert np.allclose(chances[:, -1], estimates.FLOOR / len(strange.candidates))
    assert np.allclose(chances.sum(axis=1), 1)


def frame(*rows: tuple[str, int, str, str, int]) -> pl.DataFrame:
    """(visitor, day, slate, product, position); every propensity .5, every first place clicked."""
    return pl.DataFrame(
        [
            {
                "time": day * DAY, "day": day, "visitor": visitor, "surface": "home", "slate": slate or None,
                "product": product or None, "position": place, "propensity": 0.5, "outcome": float(place == 1),
            }
            for visitor, day, slate, product, place in rows
        ]
    )  # fmt: skip


def test_only_whole_slates_of_the_days_asked_count() -> None:
    data = dataset([[0]], 3)
    shown = frame(
        ("a", 4, "s1", "p1", 1), ("a", 4, "s1", "p2", 2),  # Monday 1970-01-05
        ("b", 5, "s2", "p2", 2),  # its first place is missing
        ("c", 11, "s3", "p3", 1),  # the week after
        ("d", 12, "", "p1", 1), ("e", 12, "", "p1", 1),  # without a slate: each stands alone
        ("f", 12, "s4", "", 1), ("g", 13, "s5", "p9", 1),  # no product; after the last day
    )  # fmt: skip
    log = estimates.log_of(shown, data, 4, 12)
    assert len(log.exposures) == 5
    assert [list(part.candidates) for part in log.slates] == [["p1", "p2"], ["p1", "p3"]]
    assert log.slates[0].products.tolist() == [[0, 1]]
    assert sorted(log.slates[1].products.ravel().tolist()) == [0, 0, 1]
    assert estimates.logged(log)["estimate"] == 1.0  # one click per slate
    with pytest.raises(EmptyError, match="no whole slate"):
        estimates.log_of(shown, data, 20, 30)


def test_a_log_without_slates_is_weighed_row_by_row() -> None:
    data = dataset([[0], [1]], 3)
    rows = [(f"c00{i % 2}", 4, "", f"p00{i % 2}", 1) for i in range(40)]
    log = estimates.log_of(frame(*rows), data, 4, 4)
    one = LinearScorer(data.space, "none", weights=sparse.csr_matrix((3, 3)), bias=np.array([[1.0, 1, 1]], np.float32))
    found, estimate = estimates.evaluate_contender(one, log)
    assert estimate.method == "snips"
    assert estimate.value == pytest.approx(1.0)
    assert found.diagnostics.mean_weight == pytest.approx(1.0)  # equal scores: the uniform policy, as logged
