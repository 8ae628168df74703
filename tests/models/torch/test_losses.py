from __future__ import annotations

import math

import pytest
import torch

from recsys.models.torch.losses import LOSSES, bpr_loss, logistic_loss, softmax_loss
from recsys.models.torch.sampling import NEVER

SCORES = torch.tensor([[1.0, 0.0, -1.0, 2.0], [0.5, 0.5, 3.0, -2.0]])  # 2 visits, 4 candidates
OWNER = torch.tensor([0, 0, 1])
SLOT = torch.tensor([0, 3, 2])
KNOWN = torch.tensor([[NEVER, 0.0, 0.0, NEVER], [0.0, 0.0, NEVER, 0.0]])


def test_softmax_is_cross_entropy_against_what_the_visit_lacks() -> None:
    loss = softmax_loss(SCORES[OWNER, SLOT], OWNER, SCORES, KNOWN)
    lacked = [math.exp(0) + math.exp(-1), math.exp(0.5) * 2 + math.exp(-2)]
    each = [math.log(1 + lacked[0] / math.exp(1)), math.log(1 + lacked[0] / math.exp(2)),
            math.log(1 + lacked[1] / math.exp(3))]  # fmt: skip
    assert loss.item() == pytest.approx(sum(each) / 3, rel=1e-6)


def test_a_candidate_with_a_small_chance_stands_for_many() -> None:
    added = KNOWN.clone()
    added[0, 1] = -math.log(0.25)
    loss = softmax_loss(SCORES[OWNER, SLOT], OWNER, SCORES, added)
    lacked = [4 * math.exp(0) + math.exp(-1), math.exp(0.5) * 2 + math.exp(-2)]
    each = [math.log(1 + lacked[0] / math.exp(1)), math.log(1 + lacked[0] / math.exp(2)),
            math.log(1 + lacked[1] / math.exp(3))]  # fmt: skip
    assert loss.item() == pytest.approx(sum(each) / 3, rel=1e-6)


def test_bpr_is_the_mean_over_allowed_pairs() -> None:
    loss = bpr_loss(SCORES[OWNER, SLOT], OWNER, SCORES, KNOWN)
    pairs = [[1 - 0, 1 + 1], [2 - 0, 2 + 1], [3 - 0.5, 3 - 0.5, 3 + 2]]
    each = [sum(math.log(1 + math.exp(-d)) for d in row) / len(row) for row in pairs]
    assert loss.item() == pytest.approx(sum(each) / 3, rel=1e-6)


def test_logistic_weighs_both_signs() -> None:
    loss = logistic_loss(SCORES[OWNER, SLOT], OWNER, SCORES, KNOWN + math.log(3))  # a candidate stands for three
    up = [math.log(1 + math.exp(-s)) for s in (1, 2, 3)]
    down = [3 * sum(math.log(1 + math.exp(s)) for s in row) for row in ([0, -1], [0.5, 0.5, -2])]
    expected = sum(up) / 3 + (2 * down[0] + down[1]) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_visit_that_knows_every_candidate_teaches_nothing_false(name: str) -> None:
    scores = SCORES.clone().requires_grad_()
    loss = LOSSES[name](scores[OWNER, SLOT], OWNER, scores, torch.full_like(KNOWN, NEVER))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(scores.grad).all()
    lowered = scores.grad > 1e-6
    assert not lowered.any(), "no score is pushed down"


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_target_is_pulled_up_and_a_known_product_of_the_row_is_left_alone(name: str) -> None:
    scores = SCORES.clone().requires_grad_()
    LOSSES[name](scores[OWNER, SLOT], OWNER, scores, KNOWN).backward()
    assert (scores.grad[OWNER, SLOT] < 0).all()
    allowed = KNOWN == 0
    assert (scores.grad[allowed] > 0).all()
    spare = KNOWN.clone()
    spare[1, 3] = NEVER  # known to the second row and not a target
    scores.grad = None
    LOSSES[name](scores[OWNER, SLOT], OWNER, scores, spare).backward()
    assert scores.grad[1, 3] == 0
