"""Contextual bandits learn who wants what; their regressions equal ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from recsys.contract import F64, I32
from recsys.errors import DataError
from recsys.evaluation.linear_bandit import LinearTally, LinTS, LinUCB

K, D = 3, 4
TRUTH = np.array([[0.2, 0.5, 0, 0], [0.2, 0, 0.5, 0], [0.2, 0, 0, 0.5]])


def people(n: int, seed: int) -> F64:
    rng = np.random.default_rng(seed)
    return np.column_stack([np.ones(n), rng.normal(size=(n, D - 1))])


def pull(context: F64, arm: I32, seed: int) -> F64:
    noise = np.random.default_rng(seed).normal(0, 0.3, len(arm))
    return np.asarray((TRUTH[arm] * context).sum(axis=1) + noise)


def test_means_are_ridge_regressions() -> None:
    context, arm = people(90, 1), (np.arange(90) % K).astype(np.int32)
    outcome = pull(context, arm, 2)
    mean, deviation = LinearTally.empty(K, D, ridge=2.0).learn(context, arm, outcome).predict(context[:5])
    for row in range(K):
        own = arm == row
        peer = Ridge(alpha=2.0, fit_intercept=False).fit(context[own], outcome[own])
        assert mean[:, row] == pytest.approx(peer.predict(context[:5]))
        gram = 2 * np.eye(D) + context[own].T @ context[own]
        assert deviation[:, row] == pytest.approx(np.sqrt(np.diag(context[:5] @ np.linalg.inv(gram) @ context[:5].T)))


@pytest.mark.parametrize("policy", [LinUCB(width=0.5, floor=0.1), LinTS(noise=0.3, floor=0.1)])
def test_learning_beats_one_arm_for_everybody(policy: LinUCB | LinTS) -> None:
    tally, rng = LinearTally.empty(K, D), np.random.default_rng(3)
    for day in range(10):
        context = people(300, 10 + day)
        shares = policy.shares(tally, context, seed=day)
        assert shares.sum(axis=1) == pytest.approx(np.ones(300))
        assert shares.min() >= 0.1 / K - 1e-12
        arm = (shares.cumsum(axis=1) < rng.random((300, 1))).sum(axis=1).astype(np.int32)
        tally = tally.learn(context, arm, pull(context, arm, day))
    ahead = people(2000, 99)
    value = (policy.shares(tally, ahead, 0) * (ahead @ TRUTH.T)).sum(axis=1).mean()
    oracle, fixed = (ahead @ TRUTH.T).max(axis=1).mean(), (ahead @ TRUTH.T).mean(axis=0).max()
    assert value > fixed + 0.8 * (oracle - fixed)


def test_unsure_arms_are_tried() -> None:
    tally = LinearTally.empty(2, 1).learn(np.ones((500, 1)), np.zeros(500, dtype=np.int32), np.full(500, 0.1))
    one = np.ones((1, 1))
    assert LinUCB(floor=0.0).shares(tally, one, 0).tolist() == [[0, 1]]
    assert LinTS(floor=0.0).shares(tally, one, 0)[0, 1] == pytest.approx(0.46, abs=0.12)  # P(N(0, 1) > 0.1)


def test_decay_forgets_but_keeps_the_ridge() -> None:
    tally = LinearTally.empty(1, 1).learn(np.ones((8, 1)), np.zeros(8, dtype=np.int32), np.ones(8))
    faded = tally.decayed(0.5)
    assert (faded.gram[0, 0, 0], faded.moment[0, 0]) == (5, 4)


def test_a_context_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="4 finite columns"):
        LinearTally.empty(K, D).learn(np.ones((2, 3)), np.zeros(2, dtype=np.int32), np.ones(2))
    with pytest.raises(DataError, match="finite"):
        LinearTally.empty(K, 1).learn(np.full((2, 1), np.nan), np.zeros(2, dtype=np.int32), np.ones(2))
