"""The Open Bandit sample as exposures, the target policies of its reference table, and obp's folds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import LabelEncoder

from recsys.contract import F64
from recsys.evaluation.exposures import Exposures, of_arrays
from recsys.evaluation.offpolicy import Predictions
from recsys.evaluation.reward_models import cross_fit
from recsys.evaluation.targets import Target

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "obd"
PRIOR = json.loads((Path(__file__).parent / "golden" / "obd_prior.json").read_text())
missing = pytest.mark.skipif(not DATA.exists(), reason="the Open Bandit sample is not here")


def read_log(policy: str, campaign: str) -> Exposures:
    """10,000 impressions; the context is obp's: indicators of the four user features."""
    frame = pd.read_csv(DATA / policy / campaign / f"{campaign}.csv.gz", index_col=0)
    users = pd.get_dummies(frame.filter(like="user_feature"), drop_first=True).to_numpy(float)
    arms = range(int(frame["item_id"].max()) + 1)
    return of_arrays(
        frame["item_id"],
        frame["propensity_score"],
        frame["click"],
        position=frame["position"],
        arms=arms,
        context=users,
    )


def item_features(policy: str, campaign: str) -> F64:
    frame = pd.read_csv(DATA / policy / campaign / "item_context.csv.gz", index_col=0)
    coded = frame.drop(columns=["item_id", "item_feature_0"]).apply(LabelEncoder().fit_transform)
    return pd.concat([coded, frame["item_feature_0"]], axis=1).to_numpy(float)


def target_of(policy: str, campaign: str) -> Target:
    """The policy that did not log: uniform, or the logged Thompson prior with the reference's 100,000 draws."""
    alpha, beta = (np.array(PRIOR[campaign][name]) for name in ("alpha", "beta"))
    if policy == "bts":
        return Target.uniform(len(alpha))
    drawn = np.random.RandomState(12345).beta(alpha, beta, size=(100_000, len(alpha)))
    top = np.argsort(-drawn, axis=1)[:, :3]
    return Target(np.stack([np.bincount(top[:, place], minlength=len(alpha)) for place in range(3)]) / 100_000)


def predictions(log: Exposures, target: Target, policy: str, campaign: str) -> Predictions:
    """One logistic regression per position on user and item features, folds as in the reference."""
    fold, traits = np.zeros(len(log), dtype=np.int64), item_features(policy, campaign)
    for number, (_, held_out) in enumerate(KFold(3, shuffle=True, random_state=12345).split(fold)):
        fold[held_out] = number
    logged, expected = np.zeros(len(log)), np.zeros(len(log))
    for position in (1, 2, 3):
        rows = np.flatnonzero(log.position == position)
        part = cross_fit(log.take(rows), target, "logistic", fold[rows], traits)
        logged[rows], expected[rows] = part.logged, part.target
    return Predictions(logged, expected)
