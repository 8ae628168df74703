"""Reading whole tests: winners that are there, ties that stay ties, and everything that must stop a read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys.contract import F64
from recsys.errors import DataError, UsageError
from recsys.evaluation.abdesign import Design, Visitors
from recsys.evaluation.abread import Comparison, Reading, read
from recsys.evaluation.abtest import compare, mean

ARMS = ("control", "als", "ease")
DESIGN = Design(ARMS, (0.5, 0.25, 0.25), planned=2000)


def visitors(
    rates: tuple[float, ...], n: int = 12_000, seed: int = 0, price: tuple[float, ...] = (20.0,) * 3
) -> Visitors:
    """n visitors split as planned; an order of 1 or 2 items at the arm's conversion and price."""
    rng = np.random.default_rng(seed)
    arm = rng.choice(3, n, p=DESIGN.shares).astype(np.int32)
    before = rng.gamma(1, 10, n)
    orders = (rng.random(n) < np.array(rates)[arm]) * 1.0
    items = orders * (1 + (rng.random(n) < 0.25))
    revenue = items * np.array(price)[arm] * rng.gamma(4, 0.25, n)
    return Visitors(arm, {"orders": orders, "items": items, "revenue": revenue}, {"revenue": before}, days=14)


def row(reading: Reading, metric: str, arm: str) -> Comparison:
    return next(c for c in reading.comparisons if (c.metric, c.arm) == (metric, arm))


def test_a_planted_winner_wins() -> None:
    found = read(visitors((0.10, 0.10, 0.16)), DESIGN)
    assert found.status == "ok", found.reasons
    assert found.verdict.winner == "ease"
    assert found.verdict.rule == "fixed horizon"
    ease = row(found, "conversion", "ease")
    assert ease.difference.low < 0.06 < ease.difference.high
    assert row(found, "conversion", "als").adjusted_p > 0.05
    assert [arm.visitors for arm in found.arms] == np.bincount(visitors((0.1, 0.1, 0.16)).arm).tolist()


def test_two_equal_challengers_stay_a_tie() -> None:
    found = [read(visitors((0.10, 0.16, 0.16), seed=seed), DESIGN).verdict for seed in range(60)]
    assert np.mean([v.winner is not None for v in found]) <= 0.1  # 5 % by design
    assert np.mean([set(v.tied) == {"als", "ease"} for v in found]) >= 0.9


def test_the_better_of_two_good_challengers_wins() -> None:
    assert read(visitors((0.10, 0.14, 0.22)), DESIGN).verdict.winner == "ease"


def test_nothing_happened_and_nobody_wins() -> None:
    found = read(visitors((0.10, 0.10, 0.10)), DESIGN).verdict
    assert (found.winner, found.tied) == (None, ARMS)


def test_a_worse_arm_is_named() -> None:
    found = read(visitors((0.12, 0.05, 0.12)), DESIGN).verdict
    assert (found.winner, found.worse, found.tied) == (None, ("als",), ("control", "ease"))


def test_conversion_bought_with_revenue_does_not_win() -> None:
    found = read(visitors((0.10, 0.10, 0.16), price=(20.0, 20.0, 6.0)), DESIGN).verdict
    assert found.winner is None
    assert "surely worse on revenue_per_visitor" in found.reasons[0]


def test_equal_arms_are_called_different_in_at_most_five_of_a_hundred_reads() -> None:
    verdicts = [read(visitors((0.1, 0.1, 0.1), 4000, seed), dataclasses.replace(DESIGN, planned=500)).verdict
                for seed in range(400)]  # fmt: skip
    assert np.mean([v.winner is not None or bool(v.worse) for v in verdicts]) < 0.075  # 5 % and 2.3 sd of 400 reads


def test_before_the_planned_size_only_the_sequence_decides() -> None:
    early = dataclasses.replace(DESIGN, planned=50_000)
    found = read(visitors((0.10, 0.10, 0.125), seed=1), early)
    ease = row(found, "conversion", "ease")
    assert ease.adjusted_p < 0.05 < ease.sequence_p
    assert ease.sequence_low < ease.difference.low
    assert found.verdict.winner is None
    assert found.verdict.rule == "confidence sequence"
    assert found.status == "warned"
    assert read(visitors((0.10, 0.10, 0.25)), early).verdict.winner == "ease"


def test_revenue_uses_the_past_and_a_cap() -> None:
    source = visitors((0.9, 0.9, 0.9), 3000)
    linked = source.totals["revenue"] + 3 * source.before["revenue"]
    data = dataclasses.replace(source, totals={**source.totals, "revenue": linked})
    with_past = row(read(data, DESIGN), "revenue_per_visitor", "als")
    without = row(read(dataclasses.replace(data, before={}), DESIGN), "revenue_per_visitor", "als")
    assert with_past.explained > 0.5
    assert without.explained == 0
    assert with_past.cap > 0
    width = [c.difference.high - c.difference.low for c in (with_past, without)]
    assert width[0] < 0.75 * width[1]


def test_items_per_order_is_basket_size() -> None:
    rng = np.random.default_rng(1)
    arm = rng.integers(0, 2, 8000).astype(np.int32)
    orders = rng.poisson(1.0, 8000).astype(float)
    items = orders + rng.binomial(orders.astype(int), np.where(arm == 1, 0.35, 0.25))
    found = read(
        Visitors(arm, {"orders": orders, "items": items}), Design(("a", "b"), (0.5, 0.5), "items_per_order", 1000)
    )
    basket = row(found, "items_per_order", "b")
    assert basket.control == pytest.approx(1.25, abs=0.02)
    assert basket.difference.low < 0.10 < basket.difference.high
    assert found.verdict.winner == "b"


def test_a_mismatch_of_the_split_stops_the_read() -> None:
    data = visitors((0.1, 0.1, 0.3))
    keep = (data.arm != 2) | (np.arange(len(data.arm)) % 5 != 0)
    thin = Visitors(data.arm[keep], {k: v[keep] for k, v in data.totals.items()})
    found = read(thin, DESIGN)
    assert (found.status, found.comparisons, found.verdict.winner) == ("refused", (), None)
    assert "sample ratio mismatch" in found.reasons[0]
    assert found.srm_p < 0.001


def test_one_sided_traffic_is_refused() -> None:
    data = visitors((0.1, 0.1, 0.1))
    only = data.arm == 0
    found = read(Visitors(data.arm[only], {k: v[only] for k, v in data.totals.items()}), DESIGN)
    assert found.status == "refused"
    assert "hardly anybody met als, ease" in found.reasons[0]


def test_a_leaky_assignment_is_refused_and_a_few_leaks_warned() -> None:
    data = visitors((0.1, 0.1, 0.1))
    assert read(dataclasses.replace(data, mixed=500), DESIGN).status == "refused"
    few = read(dataclasses.replace(data, mixed=5), DESIGN)
    assert few.status == "warned"
    assert "5 visitors met several arms" in few.reasons[0]


def test_short_tests_are_warned_about() -> None:
    found = read(dataclasses.replace(visitors((0.1, 0.1, 0.1)), days=3), DESIGN)
    assert any("only 3 days" in reason for reason in found.reasons)


@pytest.mark.parametrize("value", [-5.0, np.nan, np.inf])
def test_impossible_revenue(value: float) -> None:
    bad: F64 = np.array([1.0, value])
    with pytest.raises(DataError, match=r"revenue.*Net returns"):
        Visitors(np.zeros(2, dtype=np.int32), {"revenue": bad})


def test_arms_and_metrics_that_are_not_there() -> None:
    data = visitors((0.1, 0.1, 0.1))
    with pytest.raises(DataError, match="3 arms; wanted the 2 arms"):
        read(data, Design(("a", "b"), (0.5, 0.5)))
    with pytest.raises(DataError, match="column outcome"):
        read(data, dataclasses.replace(DESIGN, metric="response"))


@pytest.mark.parametrize(
    "change",
    [{"arms": ("a",)}, {"arms": ("a", "a", "b")}, {"shares": (0.5, 0.5, 0.5)}, {"metric": "joy"}, {"alpha": 5.0}],
)
def test_designs_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        dataclasses.replace(DESIGN, **change)


def test_intervals_are_those_of_the_plain_comparison_for_two_arms() -> None:
    data = visitors((0.1, 0.1, 0.1), 2000)
    two = Visitors(np.minimum(data.arm, 1), {"orders": data.totals["orders"]})
    found = row(read(two, Design(("a", "b"), (0.5, 0.5), planned=100)), "orders_per_visitor", "b")
    plain = compare(*(mean(data.totals["orders"][two.arm == k]) for k in (0, 1)))
    assert (found.difference.low, found.difference.high) == pytest.approx((plain.low, plain.high))
