"""Two sides, each a sum of table rows with layers after it, joined into one number: what both families train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from recsys.contract import F32, I32, I64, Rows
from recsys.models.settings import Range
from recsys.models.torch.layers import apply
from recsys.models.torch.losses import LOSSES, Loss
from recsys.models.torch.tables import Look, Table, multiply
from recsys.scorers.tower import Layer

Tensor: TypeAlias = Any
Join = Literal["inner", "cosine", "distance"]
Negatives = Annotated[int, Range(1, 10**9)]  # products that one purchase competes with


@dataclass(frozen=True)
class Form:
    """What is trained and at what pace. A learning rate of 0 freezes its side."""

    family: str
    dimension: int
    history: bool
    customers: bool
    context: bool  # segment and month of who asks
    side_features: bool
    learning_rates: tuple[float, float]  # query side, product side
    linear: bool = False  # a weight per product column, and products of two product columns, as in an FM
    query_layers: tuple[int, ...] = ()
    product_layers: tuple[int, ...] = ()
    join: Join = "inner"
    temperature: float = 1.0
    dropout: float = 0.0  # of the query side's sum
    regularisation: float = 0.0  # times the mean squared length of the sums of either side
    loss: Loss = "softmax"
    random: int = 256  # candidates drawn for each batch beside its targets
    negatives: int | None = None  # that a target competes with; None: all products sold


@dataclass(frozen=True)
class Batch:
    """Visits, their targets and the candidates these compete with."""

    query: Mapping[str, Rows]  # rows of each table of the query side, [visits, columns]
    product: Rows  # [candidates, columns of the product table]
    owner: I64  # [targets] visit
    slot: I64  # [targets] place among the candidates
    added: F32  # [visits, candidates] see sampling.drop_known


@dataclass(frozen=True)
class Network:
    """Tables and layers in training."""

    form: Form
    query: Mapping[str, Table]
    product: Table  # [columns, d] or, when linear, [columns, d + 1], the last a weight
    layers: tuple[tuple[Layer, ...], tuple[Layer, ...]]
    weights: tuple[Sequence[Tensor], Sequence[Tensor]]
    averages: tuple[Sequence[Tensor], Sequence[Tensor]]
    optimisers: Sequence[Any]

    def step(self, batch: Batch, rng: np.random.Generator) -> float:
        """Learn from one batch; returns its loss."""
        import torch

        query = {name: self.query[name].look_up(x) for name, x in batch.query.items()}
        product = self.product.look_up(batch.product)
        asked = torch.stack([look.sums() for look in query.values()]).sum(dim=0).requires_grad_()
        offered, pairs = product.sums().requires_grad_(), self._self_products(product)
        scores = self._scores(self._dropped(asked, rng), offered, pairs)
        device = scores.device
        owner, slot = torch.from_numpy(batch.owner).to(device), torch.from_numpy(batch.slot).to(device)
        added = torch.from_numpy(batch.added).to(device)
        loss = LOSSES[self.form.loss](scores[owner, slot], owner, scores, added)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        (loss + self._penalty(asked, offered)).backward()
        for optimiser in self.optimisers:
            optimiser.step()
        for name, look in query.items():
            self.query[name].descend(look, look.spread(asked.grad))
        self.product.descend(product, self._product_gradient(product, offered.grad, pairs))
        return float(loss.detach())

    def remember(self, share: float) -> None:
        """Move the averages, which are what is kept, towards the present values."""
        for table in (*self.query.values(), self.product):
            table.remember(share)
        for averages, weights in zip(self.averages, self.weights, strict=True):
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight.detach(), share)

    def _dropped(self, asked: Tensor, rng: np.random.Generator) -> Tensor:
        import torch

        if not self.form.dropout:
            return asked
        kept = rng.random(asked.shape, dtype=np.float32) >= self.form.dropout
        return asked * (torch.from_numpy(kept).to(asked.device) / (1 - self.form.dropout))

    def _scores(self, asked: Tensor, offered: Tensor, pairs: Tensor | None) -> Tensor:
        """[visits, candidates]"""
        q = apply(asked, self.layers[0], self.weights[0])
        p = apply(offered[:, : self.form.dimension], self.layers[1], self.weights[1])
        scores = join(q, p, self.form.join, self.form.temperature)
        if self.form.linear:
            scores = scores + offered[:, self.form.dimension]
        return scores if pairs is None else scores + (p.square().sum(dim=1) - pairs) / 2

    def _penalty(self, asked: Tensor, offered: Tensor) -> Tensor | float:
        if not self.form.regularisation:
            return 0.0
        lengths = [side[:, : self.form.dimension].square().sum(dim=1).mean() for side in (asked, offered)]
        return self.form.regularisation * (lengths[0] + lengths[1])

    def _self_products(self, look: Look) -> Tensor | None:
        """[candidates] sum of x^2 |v|^2, which an FM takes off the squared sum; None where each row has one column."""
        if not self.form.linear or look.x.nnz == look.x.shape[0]:
            return None
        lengths = look.values[:, : self.form.dimension].square().sum(dim=1, keepdim=True)
        return multiply(look.x.power(2), lengths)[:, 0].requires_grad_()

    def _product_gradient(self, look: Look, gradient: Tensor, pairs: Tensor | None) -> Tensor:
        spread = look.spread(gradient)
        if pairs is not None:
            own = multiply(look.x.power(2).T.tocsr(), pairs.grad[:, None])
            spread[:, : self.form.dimension] += 2 * own * look.values[:, : self.form.dimension]
        return spread


def join(q: Tensor, p: Tensor, how: Join, temperature: float) -> Tensor:
    """Scores [n, k] of query vectors [n, d] and product vectors [k, d]."""
    from torch.nn.functional import normalize

    if how == "cosine":
        return normalize(q, dim=1) @ normalize(p, dim=1).T / temperature
    if how == "distance":  # minus the squared distance, less what is the same throughout a row
        return (2 * q @ p.T - p.square().sum(dim=1)) / temperature
    return q @ p.T


def slots(product: I32, m: int) -> I64:
    """int64[m]: place of each product among the candidates, -1 elsewhere."""
    place = np.full(m, -1, dtype=np.int64)
    place[product] = np.arange(len(product))
    return place
