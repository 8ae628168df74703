from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest

from recsys.contract import EMPTY, Dataset, Index, Queries, Run, Scorer, Space, Split, Truth
from recsys.errors import FitError
from recsys.models.blend import Blend
from recsys.models.blend_weights import Sample, draw, learn, mean_log_rank
from tests import worlds

U, M = 400, 60


@dataclass(frozen=True)
class Fixed:
    """A part that says what it is told to, a row per customer."""

    space: Space
    table: np.ndarray
    inputs: Index = EMPTY

    def score(self, queries: Queries, products: np.ndarray | None = None) -> np.ndarray:
        scores = self.table[queries.customer]
        return scores if products is None else scores[:, products]


def world(seed: int = 0, mix: tuple[float, float] = (1.0, 1.0)) -> tuple[Dataset, Split, dict[str, Scorer]]:
    """Held-out purchases follow a weighted sum of two signals; a third part knows nothing."""
    rng = np.random.default_rng(seed)
    signals = rng.normal(size=(3, U, M)).astype(np.float32)
    taste = 2 * (mix[0] * signals[0] + mix[1] * signals[1])
    order = np.argsort(-(taste + rng.gumbel(size=(U, M))), axis=1)
    data = worlds.dataset([[int(p)] for p in order[:, 0]], M)
    product = order[:, 1:4].ravel().astype(np.int32)
    ones = np.ones(len(product), dtype=np.float32)
    truth = Truth(np.arange(0, 3 * U + 1, 3), product, ones, ones, np.zeros(len(product), dtype=np.int64))
    parts: dict[str, Scorer] = {
        name: Fixed(data.space, table) for name, table in zip(("first", "second", "noise"), signals, strict=True)
    }
    return data, Split(data, worlds.queries(data), truth), parts


def lent(parts: dict[str, Scorer]) -> dict[str, Scorer]:
    return parts | {f"past:{name}": part for name, part in parts.items()}


@pytest.mark.parametrize(("mix", "scale"), [((1.0, 1.0), "score"), ((1.5, 0.5), "score"), ((1.0, 1.0), "rank")])
def test_the_planted_mix_is_found_and_noise_is_left_out(mix: tuple[float, float], scale: str) -> None:
    data, held, parts = world(1, mix)
    fitted = Blend(scale=scale).fit(data, Run(seed=2, parts=lent(parts), validation=held))  # type: ignore[arg-type]
    weights = fitted.report["weights"]
    assert weights["noise"] < 0.08
    assert weights["first"] / (weights["first"] + weights["second"]) == pytest.approx(mix[0] / sum(mix), abs=0.1)
    assert sum(weights.values()) == pytest.approx(1, abs=1e-5)
    assert min(weights.values()) >= 0
    assert fitted.report["mean_log_rank"] < min(fitted.report["parts_alone"].values()) - 0.1


def test_weights_come_from_the_past_parts_and_scores_from_the_fresh_ones() -> None:
    data, held, parts = world()
    swapped = {"a": parts["noise"], "past:a": parts["first"], "b": parts["first"], "past:b": parts["noise"]}
    fitted = Blend().fit(data, Run(parts=swapped, validation=held))
    assert fitted.report["weights"]["a"] > 0.9
    assert set(fitted.scorer.parts) <= {"a", "b"}  # type: ignore[attr-defined]
    assert fitted.scorer.parts["a"] is parts["noise"]  # type: ignore[attr-defined]


def test_noise_learnt_on_some_customers_does_not_help_others() -> None:
    """What leaks would show here: on its own customers a blend of noise looks better than any part of it."""
    data, held, _ = world(3)
    rng = np.random.default_rng(5)
    noise: dict[str, Scorer] = {
        f"n{i}": Fixed(data.space, rng.normal(size=(U, M)).astype(np.float32)) for i in range(6)
    }
    even = Split(data, held.queries.take(np.arange(0, 40, 2)), _every_other(held.truth, 20))
    weights = learn(draw(noise, even, "score", Run(seed=1)), Run())
    own, other = draw(noise, even, "score", Run(seed=1)), draw(noise, held, "score", Run(seed=1))
    alone = [mean_log_rank(other, w) for w in np.eye(6)]
    assert mean_log_rank(own, weights) < np.mean([mean_log_rank(own, w) for w in np.eye(6)]) - 0.1
    assert mean_log_rank(other, weights) > min(alone) - 0.03


def _every_other(truth: Truth, n: int) -> Truth:
    product = truth.product.reshape(-1, 3)[0 : 2 * n : 2].ravel()
    ones = np.ones(len(product), dtype=np.float32)
    return Truth(np.arange(0, 3 * n + 1, 3), product, ones, ones, np.zeros(len(product), dtype=np.int64))


def test_ranks_are_counted_by_hand() -> None:
    """Ahead of the first product 1 of 2 on top and 1 drawn that stands for 5; of the second one, of the top, a tie."""
    top = np.array([[[3.0], [1.0]], [[2.0], [0.0]]], dtype=np.float32)
    drawn = np.array([[[2.5]], [[0.0]]], dtype=np.float32)
    bought, owner = np.array([[2.0], [2.0]], dtype=np.float32), np.array([0, 1])
    sample = Sample(bought, owner, top, drawn, np.array([5, 5], dtype=np.float32))
    assert mean_log_rank(sample, np.ones(1)) == pytest.approx((np.log(7) + np.log(2)) / 2)


def test_without_held_out_days_weights_are_equal() -> None:
    data, _, parts = world()
    fitted = Blend(parts=("first", "second")).fit(data, Run(parts=parts))
    assert fitted.report["weights"] == {"first": 0.5, "second": 0.5}
    assert fitted.report["learnt"] is False


def test_what_cannot_be_blended_is_said() -> None:
    data, held, parts = world()
    with pytest.raises(FitError, match="no fitted part"):
        Blend(parts=("absent",)).fit(data, Run(parts=parts))
    other = worlds.dataset([[0]], 7)
    with pytest.raises(FitError, match="another catalogue"):
        Blend().fit(other, Run(parts=parts))
    with pytest.raises(FitError, match="deadline"):
        Blend().fit(data, Run(parts=lent(parts), validation=held, deadline=time.monotonic() - 1))
    unknown = Truth(held.truth.start, np.full_like(held.truth.product, -1), *[held.truth.quantity] * 2, held.truth.time)
    with pytest.raises(FitError, match="no known product"):
        Blend().fit(data, Run(parts=lent(parts), validation=Split(data, held.queries, unknown)))
