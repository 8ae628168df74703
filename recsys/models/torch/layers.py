"""Layers after the tables of a side; the same arithmetic as `scorers.tower.Layer`, trained by torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from recsys.contract import F32
from recsys.scorers.tower import Layer

Tensor: TypeAlias = Any


def fresh_layers(width: int, hidden: Sequence[int], out: int, rng: np.random.Generator) -> tuple[Layer, ...]:
    """width -> hidden[0] -> ... -> out, relu between; what keeps its width starts near the identity. Empty: none."""
    if not hidden:
        return ()
    sizes = [width, *hidden, out]
    made = []
    for at, (n, k) in enumerate(pairwise(sizes)):
        residual = n == k
        scale = (0.1 if residual else 1.0) * np.sqrt(2 / n)
        weight = (rng.standard_normal((n, k)) * scale).astype(np.float32)
        made.append(Layer(weight, np.zeros(k, dtype=np.float32), relu=at < len(hidden), residual=residual))
    return tuple(made)


def parameters(layers: Sequence[Layer], device: str) -> list[Tensor]:
    """Weight and bias of each layer as tensors that take gradients."""
    import torch

    arrays = [a for layer in layers for a in (layer.weight, layer.bias)]
    return [torch.from_numpy(a.copy()).to(device).requires_grad_() for a in arrays]


def apply(x: Tensor, layers: Sequence[Layer], weights: Sequence[Tensor]) -> Tensor:
    """[n, in] to [n, out]; `layers` give the form, `weights` the numbers."""
    for layer, weight, bias in zip(layers, weights[::2], weights[1::2], strict=True):
        y = x @ weight + bias
        y = y.relu() if layer.relu else y
        x = y + x if layer.residual else y
    return x


def folded(layers: Sequence[Layer], weights: Sequence[F32]) -> tuple[Layer, ...]:
    """The layers with their trained numbers."""
    return tuple(
        Layer(weight, bias, layer.relu, layer.residual)
        for layer, weight, bias in zip(layers, weights[::2], weights[1::2], strict=True)
    )
