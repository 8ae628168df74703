"""Sample sizes against golden values and against simulation; durations and what smaller tests could see."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import UsageError
from recsys.evaluation.abplan import Question, days_for, plan


@pytest.mark.parametrize(
    ("base", "to", "n"),
    [(0.03, 0.033, 53_211), (0.03, 0.0315, 207_938), (0.05, 0.055, 31_234), (0.10, 0.11, 14_751), (0.20, 0.28, 447)],
)
def test_conversion_equals_golden(base: float, to: float, n: int) -> None:
    assert abs(plan(Question("conversion", base, to - base)).per_arm - n) <= 1


@pytest.mark.parametrize(("difference", "n"), [(0.10, 770), (0.025, 12_308), (0.0125, 49_229)])
def test_basket_size_equals_golden(difference: float, n: int) -> None:
    assert abs(plan(Question("mean", 1.25, difference, sd=0.7)).per_arm - n) <= 1


def test_the_planned_size_has_the_planned_power() -> None:
    question = Question("conversion", 0.10, 0.03)
    n, rng = plan(question).per_arm, np.random.default_rng(0)
    a, b = rng.binomial(n, 0.10, 20_000) / n, rng.binomial(n, 0.13, 20_000) / n
    pooled = (a + b) / 2
    found = np.abs(b - a) / np.sqrt(pooled * (1 - pooled) * 2 / n) > 1.96
    assert found.mean() == pytest.approx(0.80, abs=0.015)


def test_more_arms_need_more_visitors_each() -> None:
    two, four = (plan(Question("mean", 1.25, 0.1, sd=0.7, arms=k)) for k in (2, 4))
    assert four.alpha_each == pytest.approx(0.05 / 3)
    assert four.per_arm > two.per_arm
    assert four.total == 4 * four.per_arm


def test_a_drop_can_be_planned_too() -> None:
    down = plan(Question("conversion", 0.03, -0.003))
    assert down.per_arm < 53_211  # lower rates spread less
    assert down.per_arm > 40_000


@pytest.mark.parametrize("question", [Question("conversion", 0.03, 0.003), Question("mean", 20.0, 1.0, sd=55.0)])
def test_the_curve_runs_through_the_plan(question: Question) -> None:
    found = plan(question, daily=9000)
    at = next(point for point in found.curve if point.per_arm == found.per_arm)
    assert at.difference == pytest.approx(question.difference, rel=1e-3)
    assert at.days == found.days
    sizes = [point.per_arm for point in found.curve]
    effects = [point.difference for point in found.curve]
    assert sizes == sorted(sizes)
    assert effects == sorted(effects, reverse=True)
    assert effects[0] == pytest.approx(question.difference * np.sqrt(8), rel=0.15)


def test_days_are_whole_weeks_and_know_the_ramp() -> None:
    assert days_for(100, None) is None
    assert days_for(100, 1000) == 7
    assert days_for(5300, 1000) == 7  # 50 + 250 + 5 x 1000
    assert days_for(5301, 1000) == 14


@pytest.mark.parametrize(
    ("question", "daily", "words"),
    [
        (Question("conversion", 3.0, 0.3), None, "base; got 3.0; wanted a conversion between 0 and 1"),
        (Question("conversion", 0.95, 0.10), None, "after the change"),
        (Question("conversion", 0.03, 0.0), None, "difference"),
        (Question("mean", 1.25, 0.1), None, "sd"),
        (Question("mean", 1.25, 0.1, sd=1, arms=1), None, "arms"),
        (Question("mean", 1.25, 0.1, sd=1, power=80), None, "power"),
        (Question("mean", 1.25, 0.1, sd=1), 0, "daily"),
    ],
)
def test_questions_that_make_no_sense(question: Question, daily: float | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(question, daily)
