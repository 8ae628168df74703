"""Slate estimates in three worlds whose every slate can be enumerated: biased where the assumption fails only."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from recsys.contract import DAY, F64
from recsys.data.marketplace import PRESETS
from recsys.data.simulate import simulate
from recsys.data.trading import click_probability
from recsys.errors import DataError
from recsys.evaluation.exposures import of_arrays
from recsys.evaluation.slates import arm_model, by_slate, cascade_terms, evaluate_slates

ITEMS, SLOTS, N, RUNS = 8, 3, 10_000, 60


@dataclass(frozen=True)
class World:
    """Mean outcome of every slot of every slate, [8, 8, 8, 3], and two factored policies [3, 8]."""

    mean: F64
    logging: F64
    wanted: F64

    def weights_of(self, policy: F64) -> F64:
        return np.einsum("a,b,c->abc", *policy)

    @property
    def truth(self) -> float:
        return float((self.weights_of(self.wanted)[..., None] * self.mean).sum())

    def draw(self, seed: int) -> tuple[F64, F64, F64]:
        """(arms, weights, outcomes), each [n, slots]."""
        rng = np.random.default_rng(seed)
        arm = np.stack([rng.choice(ITEMS, N, p=self.logging[slot]) for slot in range(SLOTS)], axis=1)
        mean = self.mean[arm[:, 0], arm[:, 1], arm[:, 2]]
        slot = np.arange(SLOTS)
        return arm, self.wanted[slot, arm] / self.logging[slot, arm], (rng.random(mean.shape) < mean) * 1.0


def world(kind: str) -> World:
    """An item adds to its own slot; in `cascade` also to the slots below, in `full` to all others."""
    rng = np.random.default_rng(7)
    appeal, taste = rng.uniform(0.1, 0.35, ITEMS), rng.normal(0, 0.15, (SLOTS, ITEMS))
    near = {"independent": np.zeros((3, 3)), "cascade": np.tri(3, k=-1), "full": 1 - np.eye(3)}[kind]
    mean = np.empty((ITEMS, ITEMS, ITEMS, SLOTS))
    for slate in itertools.product(range(ITEMS), repeat=SLOTS):
        own = appeal[list(slate)]
        mean[slate] = own + 0.6 * near @ (own - 0.15)
    logging, wanted = np.exp(1.0 * appeal + taste), np.exp(10.0 * appeal + taste)
    return World(mean, logging / logging.sum(1, keepdims=True), wanted / wanted.sum(1, keepdims=True))


def biases(kind: str) -> dict[str, float]:
    """Relative bias of each estimator and of the log's own mean over RUNS logs."""
    here, found = world(kind), []
    for seed in range(RUNS):
        arm, w, r = here.draw(seed)
        log = of_arrays(
            arm.ravel(),
            (here.logging[np.arange(3), arm]).ravel(),
            r.ravel(),
            position=np.tile([1, 2, 3], N),
            arms=range(ITEMS),
            slate=np.repeat(np.arange(N), 3),
            visitor=np.repeat(np.arange(N), 3),
        )
        slates = by_slate(log, here.wanted[np.arange(3), arm].ravel())
        assert np.allclose(slates.weight, w)
        model = arm_model(slates, arm, here.wanted, np.arange(N) % 2)
        found.append({e.method: e.value for e in evaluate_slates(slates, model)} | {"log": r.sum(axis=1).mean()})
    return {name: float(np.mean([f[name] for f in found]) / here.truth - 1) for name in found[0]}


@pytest.mark.parametrize("kind", ["independent", "cascade", "full"])
def test_bias_is_where_the_assumption_fails(kind: str) -> None:
    bias = biases(kind)
    assert abs(bias["sips"]) < 0.01
    assert bias["log"] < -0.1
    if kind == "independent":
        assert abs(bias["iips"]) < 0.01
    if kind != "full":
        assert abs(bias["rips"]) < 0.01
        assert abs(bias["cascade_dr"]) < 0.01
    if kind == "cascade":
        assert -0.08 < bias["iips"] < -0.04
    if kind == "full":
        assert bias["iips"] < bias["rips"] < -0.01


def test_cascade_dr_has_less_spread_and_covers() -> None:
    here, hits, errors = world("cascade"), [], {"rips": [], "cascade_dr": []}
    for seed in range(100, 200):
        arm, _, r = here.draw(seed)
        slates = by_slate(
            of_arrays(
                arm.ravel(),
                here.logging[np.arange(3), arm].ravel(),
                r.ravel(),
                position=np.tile([1, 2, 3], N),
                arms=range(ITEMS),
                slate=np.repeat(np.arange(N), 3),
                visitor=np.repeat(np.arange(N), 3),
            ),
            here.wanted[np.arange(3), arm].ravel(),
        )
        for e in evaluate_slates(slates, arm_model(slates, arm, here.wanted, np.arange(N) % 2)):
            if e.method in errors:
                errors[e.method].append(e.value - here.truth)
            if e.method == "rips":
                hits.append(e.low <= here.truth <= e.high)
    assert np.std(errors["cascade_dr"]) < np.std(errors["rips"])
    assert np.mean(hits) >= 0.9


def test_two_slates_by_hand() -> None:
    """Slate 5 has two slots, slate 3 one; rows come in any order."""
    log = of_arrays(
        [0, 1, 1], [0.5, 0.25, 0.5], [1.0, 2.0, 4.0], position=[2, 1, 1], slate=[5, 5, 3], visitor=[9, 9, 4]
    )
    slates = by_slate(log, np.array([0.25, 0.5, 0.25]))
    assert slates.weight.tolist() == [[0.5, 1.0], [2.0, 0.5]]
    assert slates.outcome.tolist() == [[4.0, 0.0], [2.0, 1.0]]
    assert slates.row.tolist() == [[2, -1], [1, 0]]
    assert slates.visitor.tolist() == [4, 9]
    found = {e.method: e.value for e in evaluate_slates(slates)}
    assert found["rips"] == pytest.approx((0.5 * 4 + 2 * 2 + 2 * 0.5 * 1) / 2)
    assert found["iips"] == pytest.approx((0.5 * 4 + 2 * 2 + 0.5 * 1) / 2)
    assert found["sips"] == pytest.approx((0.5 * 4 + 1.0 * 3) / 2)


def test_cascade_terms_are_exact_where_the_model_is() -> None:
    w, r = np.array([[2.0, 0.5]]), np.array([[0.3, 0.7]])
    assert cascade_terms(w, r, r, np.array([[0.4, 0.1]])) == pytest.approx(0.4 + 2 * 0.1)


def test_a_slate_with_a_gap_is_refused() -> None:
    log = of_arrays([0, 1], [0.5, 0.5], [0.0, 1.0], position=[1, 3], slate=[0, 0])
    with pytest.raises(DataError, match="position 3 where 2 was expected"):
        by_slate(log, np.ones(2))


def test_exploding_weights_are_refused_for_sips_only() -> None:
    rng = np.random.default_rng(0)
    n, slots = 4000, 6
    arm = rng.integers(0, 10, (n, slots))
    wanted = np.where(np.arange(10) < 2, 0.35, 0.3 / 8)
    log = of_arrays(
        arm.ravel(),
        np.full(n * slots, 0.1),
        rng.random(n * slots) < 0.2,
        position=np.tile(np.arange(1, 7), n),
        arms=range(10),
        slate=np.repeat(np.arange(n), slots),
    )
    found = {e.method: e for e in evaluate_slates(by_slate(log, wanted[arm].ravel()))}
    assert (found["sips"].status, found["iips"].status) == ("refused", "ok")
    assert "effective sample size" in found["sips"].reasons[0]


def test_on_the_marketplace_the_interval_holds_the_truth() -> None:
    """Slates drawn without replacement by three arms; the target is uniform, so its clicks are known exactly."""
    market = simulate(PRESETS["small"])
    frame, truth = market.exposures, market.truth
    place, width = frame["position"].to_numpy(), truth.logging.shelf.shape[1]
    names = frame["visitor"].to_list()
    person = np.array([truth.customers.row(n) if n[0] == "C" else int(n[1:]) for n in names])
    slate = frame["slate"].str.slice(1).cast(int).to_numpy()
    log = of_arrays(np.zeros(len(frame)), frame["propensity"], frame["outcome"], position=place, slate=slate,
                    visitor=person)  # fmt: skip
    slates = by_slate(log, 1 / (width - place + 1))
    seconds = frame["time"].str.to_datetime().dt.epoch("s").to_numpy()
    week = ((seconds - truth.start) // (7 * DAY))[slates.row[:, 0]]
    whole = [
        click_probability(truth, w, slates.visitor[week == w].astype(np.int32)).mean(axis=1) for w in np.unique(week)
    ]
    expected = np.concatenate(whole).mean() * truth.logging.examine.sum()
    rips = evaluate_slates(slates)[0]
    assert rips.status == "ok", rips.reasons
    assert rips.low < expected < rips.high
    assert rips.se < 0.15 * expected
    logged = frame["outcome"].sum() / len(slates.visitor)
    assert logged > rips.high  # the log's own mean is far from what the target would earn
