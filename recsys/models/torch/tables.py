"""Tables of vectors: a batch reads sums of their rows, x @ values, and takes an Adam step on the gradient of those.

A small table is stepped whole. A large one is stepped row by row, only where a batch used it: with a million rows a
dense step takes a hundred times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from scipy import sparse

from recsys.contract import F32, I64, Rows

Tensor: TypeAlias = Any
ROW_WISE_FROM = 50_000  # rows
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # of Adam (Kingma and Ba 2015)


@dataclass(frozen=True)
class Look:
    """The rows of a table that a batch adds up."""

    x: Rows  # [n, k]
    values: Tensor  # [k, d]
    rows: Tensor | None = None  # int64[k] in the table; None: all of it

    def sums(self) -> Tensor:
        """[n, d] x @ values."""
        return multiply(self.x, self.values)

    def spread(self, gradient: Tensor) -> Tensor:
        """[k, d] gradient of the values, given that of the sums."""
        return multiply(self.x.T.tocsr(), gradient)


class Table(Protocol):
    """What both kinds do. A learning rate of 0 freezes a table."""

    average: Tensor  # [n, d] of the values over the last epoch: what is kept

    def look_up(self, x: Rows) -> Look: ...

    def descend(self, look: Look, gradient: Tensor) -> None: ...

    def remember(self, share: float) -> None:
        """Move the average towards the present values."""
        ...


def table_of(values: F32, learning_rate: float, device: str) -> Table:
    """A table that starts at `values` [n, d]."""
    import torch

    start = torch.from_numpy(values.copy()).to(device)
    kind = RowTable if len(values) >= ROW_WISE_FROM else DenseTable
    return kind(start, start.clone(), learning_rate)


@dataclass
class DenseTable:
    """Adam on the whole table."""

    values: Tensor
    average: Tensor
    learning_rate: float
    _optimiser: Any = None

    def look_up(self, x: Rows) -> Look:
        return Look(x, self.values)

    def descend(self, look: Look, gradient: Tensor) -> None:
        import torch

        if self.learning_rate and self._optimiser is None:
            self._optimiser = torch.optim.Adam(
                [self.values], self.learning_rate, betas=(FIRST, SECOND), eps=TINY, fused=True
            )
        if self.learning_rate:
            self.values.grad = gradient
            self._optimiser.step()

    def remember(self, share: float) -> None:
        self.average.lerp_(self.values, share)


@dataclass
class RowTable:
    """Adam on the rows that a batch used; the others, and their moments, rest."""

    values: Tensor
    average: Tensor
    learning_rate: float
    steps: int = 0
    _moments: tuple[Tensor, Tensor] | None = None

    def look_up(self, x: Rows) -> Look:
        import torch

        flags = np.zeros(len(self.values), dtype=bool)
        flags[x.indices] = True
        used = np.flatnonzero(flags)
        place = np.empty(len(flags), dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        local = sparse.csr_matrix((x.data, place[x.indices], x.indptr), shape=(x.shape[0], len(used)))
        rows = torch.from_numpy(used).to(self.values.device)
        return Look(local, self.values.index_select(0, rows), rows)

    def descend(self, look: Look, gradient: Tensor) -> None:
        import torch

        if not self.learning_rate or look.rows is None:
            return
        if self._moments is None:
            self._moments = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self.steps += 1
        first, second = (moment.index_select(0, look.rows) for moment in self._moments)
        first.mul_(FIRST).add_(gradient, alpha=1 - FIRST)
        second.mul_(SECOND).addcmul_(gradient, gradient, value=1 - SECOND)
        spread = (second / (1 - SECOND**self.steps)).sqrt_().add_(TINY)
        value = look.values.addcdiv(first, spread, value=-self.learning_rate / (1 - FIRST**self.steps))
        for whole, part in zip((self.values, *self._moments), (value, first, second), strict=True):
            whole.index_copy_(0, look.rows, part)

    def remember(self, share: float) -> None:
        self.average.lerp_(self.values, share)


def multiply(x: Rows, dense: Tensor) -> Tensor:
    """x [n, k] times dense [k, d], on the device where `dense` lies."""
    import torch

    if dense.device.type == "cpu":
        return torch.from_numpy(np.ascontiguousarray(x @ dense.numpy(), dtype=np.float32))
    start, column, value = (torch.from_numpy(part).to(dense.device) for part in (x.indptr, x.indices, x.data))
    return torch.sparse_csr_tensor(start, column, value, size=x.shape) @ dense


def random_rows(n: int, d: int, scale: float, rng: np.random.Generator) -> F32:
    """float32[n, d] normal with standard deviation `scale`."""
    return (rng.standard_normal((n, d), dtype=np.float32) * np.float32(scale)).astype(np.float32)


def carry(values: F32, names: Any, old: F32, old_names: Any) -> I64:
    """Write last night's rows over the fresh ones, by name; returns the rows written."""
    row_of = {str(name): row for row, name in enumerate(names)}
    at = np.array([row_of.get(str(name), -1) for name in old_names], dtype=np.int64)
    values[at[at >= 0]] = old[at >= 0]
    written: I64 = at[at >= 0]
    return written
