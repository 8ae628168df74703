"""Reward models never see the visitor they predict, and find planted effects."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import EmptyError
from recsys.evaluation.exposures import Exposures, of_arrays
from recsys.evaluation.offpolicy import evaluate
from recsys.evaluation.reward_models import ArmMeans, cross_fit, fold_of
from recsys.evaluation.targets import Target


def planted(n: int, seed: int) -> tuple[Exposures, Target]:
    """Arm 2 pays where the context is positive, arm 0 elsewhere; position 2 halves everything."""
    rng = np.random.default_rng(seed)
    x, arm, place = rng.normal(size=n), rng.integers(0, 3, n), rng.integers(1, 3, n)
    mean = np.where(arm == 2, x > 0, np.where(arm == 0, x <= 0, 0.2)) * 0.6 / place
    log = of_arrays(
        arm, np.full(n, 1 / 3), (rng.random(n) < mean) * 1.0, position=place, context=x[:, None], arms=range(3)
    )
    return log, Target(np.array([[0.5, 0.25, 0.25]]))


def test_arm_means_by_hand_leave_the_own_fold_out() -> None:
    visitor = np.arange(60)
    fold = fold_of(visitor, 3)
    log = of_arrays(np.zeros(60), np.ones(60), (fold == 1) * 1.0, visitor=visitor, arms=range(2))
    model = ArmMeans.of(log, 1).predict(log, Target(np.array([[1.0, 0.0]])), prior=1.0)
    outside = (fold == 1).sum() / (fold != 0).sum()
    assert np.allclose(model.logged[fold == 0], outside)
    assert np.all(model.logged[fold == 1] == 0)  # its own ones are not used
    assert np.allclose(model.target, model.logged)


def test_arm_means_stream() -> None:
    log, target = planted(999, 1)
    parts = [ArmMeans.of(log.take(rows), 2) for rows in np.array_split(np.arange(999), 4)]
    whole, streamed = ArmMeans.of(log, 2), parts[0] + parts[1] + parts[2] + parts[3]
    assert np.array_equal(whole.count, streamed.count)
    one, many = whole.predict(log, target), streamed.predict(log, target)
    assert np.allclose(one.logged, many.logged)
    assert np.allclose(one.target, many.target)


@pytest.mark.parametrize("learner", ["logistic", "ridge", "boosting"])
def test_cross_fitted_models_find_position_and_arm(learner: str) -> None:
    log, target = planted(6000, 2)
    model = cross_fit(log, target, learner)  # type: ignore[arg-type]
    first = model.logged[(log.position == 1) & (log.arm == 2)].mean()
    second = model.logged[(log.position == 2) & (log.arm == 2)].mean()
    assert first == pytest.approx(0.3, abs=0.05)
    assert second == pytest.approx(0.15, abs=0.05)
    truth = (0.5 * 0.5 + 0.25 * 0.2 + 0.25 * 0.5) * 0.6 * 0.75
    assert evaluate(log, target, model)["dm"].value == pytest.approx(truth, abs=0.02)


def test_a_model_of_the_context_tightens_dr() -> None:
    log, target = planted(6000, 3)
    with_trees, without = (evaluate(log, target, cross_fit(log, target, kind))["dr"] for kind in ("boosting", "ridge"))
    assert with_trees.se < without.se
    assert without.se <= evaluate(log, target)["ips"].se


def test_one_outcome_value_is_no_reason_to_fail() -> None:
    log, target = planted(300, 4)
    silent = of_arrays(log.arm, log.propensity, np.zeros(300), position=log.position, arms=range(3))
    assert cross_fit(silent, target).target.tolist() == [0.0] * 300


def test_one_visitor_cannot_be_cross_fitted() -> None:
    log = of_arrays([0, 1], [0.5, 0.5], [0.0, 1.0], visitor=[3, 3])
    with pytest.raises(EmptyError, match="visitors of one fold"):
        cross_fit(log, Target.uniform(2))
