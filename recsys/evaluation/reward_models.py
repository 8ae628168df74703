"""Models of the outcome given the arm: what DM and DR lean on.

Every prediction is cross-fitted: a visitor's outcomes are predicted by a model that saw other visitors only, or DR
would grade its own homework. `ArmMeans` streams and needs no library; `cross_fit` uses scikit-learn and the context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from recsys.contract import F64, I64, Flags, Rows
from recsys.errors import EmptyError
from recsys.evaluation.exposures import Exposures
from recsys.evaluation.offpolicy import GROUPS, Predictions, group_of
from recsys.evaluation.targets import Target

Learner = Literal["logistic", "ridge", "boosting"]


@dataclass(frozen=True)
class ArmMeans:
    """Counts and outcome totals [folds, positions, arms]; `a + b` is the sums of both."""

    count: F64
    total: F64

    def __add__(self, other: ArmMeans) -> ArmMeans:
        return ArmMeans(self.count + other.count, self.total + other.total)

    @classmethod
    def of(cls, log: Exposures, positions: int, folds: int = 3) -> ArmMeans:
        """The sums of one chunk."""
        shape = (folds, positions, len(log.arms))
        cell = np.ravel_multi_index((fold_of(log.visitor, folds), log.position - 1, log.arm), shape)
        size = int(np.prod(shape))
        count = np.bincount(cell, minlength=size).astype(np.float64)
        total = np.bincount(cell, weights=log.outcome, minlength=size).astype(np.float64)
        return cls(count.reshape(shape), total.reshape(shape))

    def predict(self, log: Exposures, target: Target, prior: float = 20.0) -> Predictions:
        """Mean outcome per position and arm outside the visitor's fold, shrunk to the position by `prior` > 0 rows."""
        others, sums = self.count.sum(axis=0) - self.count, self.total.sum(axis=0) - self.total
        level = sums.sum(axis=2, keepdims=True) / np.maximum(others.sum(axis=2, keepdims=True), 1)
        means = (sums + prior * level) / (others + prior)
        fold, place = fold_of(log.visitor, len(means)), log.position - 1
        table = target.table if len(target.table) > 1 else np.repeat(target.table, means.shape[1], axis=0)
        expected = np.einsum("pk,fpk->fp", table[: means.shape[1]], means)
        return Predictions(means[fold, place, log.arm], expected[fold, place])


def cross_fit(
    log: Exposures,
    target: Target,
    learner: Learner = "logistic",
    fold: I64 | None = None,
    arm_features: F64 | None = None,
) -> Predictions:
    """Cross-fitted predictions from position, arm and context, by scikit-learn.

    "logistic" for outcomes of 0 and 1 (C = 100), "ridge" and "boosting" (histogram trees) for any. `fold` [n]
    defaults to three folds of visitors, `arm_features` [arms, f] to the arm's indicator. Raises EmptyError when a fold
    leaves no exposures to learn from.
    """
    traits = sparse.csr_matrix(np.eye(len(log.arms)) if arm_features is None else arm_features)
    setting, table = _setting(log), target.rows(log)
    fold = fold_of(log.visitor, 3) if fold is None else fold
    logged, expected = np.zeros(len(log)), np.zeros(len(log))
    for held_out in np.unique(fold):
        rows, rest = np.flatnonzero(fold == held_out), np.flatnonzero(fold != held_out)
        if not len(rest):
            raise EmptyError("Cross-fitting", got="visitors of one fold only", wanted="visitors in several folds")
        model = _fit(_design(setting[rest], traits[log.arm[rest]], learner), log.outcome[rest], learner)
        for arm in range(len(log.arms)):
            predicted = _predict(model, _design(setting[rows], traits[np.full(len(rows), arm)], learner))
            expected[rows] += table[rows, arm] * predicted
            logged[rows] = np.where(log.arm[rows] == arm, predicted, logged[rows])
    return Predictions(logged, expected)


def fold_of(visitor: I64, folds: int) -> I64:
    """Fold of each visitor key; a group of visitors is never cut."""
    return group_of(visitor) * folds // GROUPS


def _setting(log: Exposures) -> Rows:
    """[n, positions - 1 + d] indicators of the positions but the first, and the context."""
    _, place = np.unique(log.position, return_inverse=True)
    places = sparse.csr_matrix((np.ones(len(log)), (np.arange(len(log)), place)))[:, 1:]
    return sparse.csr_matrix(places if log.context is None else sparse.hstack([places, log.context]))


def _design(setting: Rows, arms: Rows, learner: Learner) -> Any:
    both = sparse.hstack([setting, arms], format="csr")
    return both.toarray() if learner == "boosting" else both


def _fit(design: Any, outcome: F64, learner: Learner) -> Any:
    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if len(np.unique(outcome)) < 2:
        return DummyRegressor().fit(design, outcome)
    if learner == "logistic" and _binary(outcome):
        return LogisticRegression(C=100, max_iter=10_000).fit(design, outcome.astype(int))
    if learner == "boosting":
        return HistGradientBoostingRegressor(max_depth=4, random_state=0).fit(design, outcome)
    return Ridge(alpha=1.0).fit(design, outcome)


def _predict(model: Any, design: Any) -> F64:
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(design)[:, 1], dtype=np.float64)
    return np.asarray(model.predict(design), dtype=np.float64)


def _binary(outcome: F64) -> bool:
    inside: Flags = (outcome == 0) | (outcome == 1)
    return bool(inside.all())
