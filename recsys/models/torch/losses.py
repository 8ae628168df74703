"""Losses of targets against candidates. Pure functions of tensors; each returns a scalar, the mean over the targets.

positive: float32[r], score of each target; owner: int64[r], its visit; negative: float32[n, c], score of each
candidate for each visit; added: float32[n, c] from `sampling.adjust`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from recsys.models.torch.sampling import NEVER

Tensor: TypeAlias = Any
Loss = Literal["softmax", "bpr", "logistic"]


def softmax_loss(positive: Tensor, owner: Tensor, negative: Tensor, added: Tensor) -> Tensor:
    """-log(e^s / (e^s + sum_c e^(s_c) / chance_c)): the sum estimates that over all products the visit lacks."""
    from torch.nn.functional import softplus

    others = (negative + added).logsumexp(dim=1)
    return softplus(others[owner] - positive).mean()


def bpr_loss(positive: Tensor, owner: Tensor, negative: Tensor, added: Tensor) -> Tensor:
    """-log sigmoid(s - s_c), mean over the candidates allowed (Rendle et al. 2009)."""
    from torch.nn.functional import softplus

    allowed = _allowed(added)[owner]
    pairs = softplus(negative[owner] - positive[:, None]) * allowed
    return (pairs.sum(dim=1) / allowed.sum(dim=1).clamp(min=1)).mean()


def logistic_loss(positive: Tensor, owner: Tensor, negative: Tensor, added: Tensor) -> Tensor:
    """log(1 + e^-s) for targets, and log(1 + e^s) for as many products as the candidates stand for."""
    from torch.nn.functional import softplus

    others = (softplus(negative) * added.exp()).sum(dim=1)
    return (softplus(-positive) + others[owner]).mean()


def _allowed(added: Tensor) -> Tensor:
    return (added > NEVER / 2).to(added.dtype)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "softmax": softmax_loss,
    "bpr": bpr_loss,
    "logistic": logistic_loss,
}
