"""A table of vectors trained row by row: a batch reads and writes only the rows it uses, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from recsys.contract import F32, I64, Rows

Tensor: TypeAlias = Any
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # of Adam (Kingma and Ba 2015)


@dataclass
class Table:
    """Adam that touches the rows of a batch only; a learning rate of 0 freezes it."""

    rows: Tensor  # [n, 3, d] values, first and second moment of the gradient
    average: Tensor  # [n, d] of the values over the last epoch
    learning_rate: float
    steps: int = 0

    @classmethod
    def of(cls, values: F32, learning_rate: float, device: str) -> Table:
        import torch

        start = torch.from_numpy(values).to(device)
        rows = torch.zeros((len(values), 3, values.shape[1]), device=device)
        rows[:, 0] = start
        return cls(rows, start.clone(), learning_rate)

    def look_up(self, x: Rows) -> Look:
        """The rows that x [n, columns] uses."""
        import torch

        flags = np.zeros(len(self.rows), dtype=bool)
        flags[x.indices] = True
        used = np.flatnonzero(flags)
        place = np.empty(len(flags), dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        local = sparse.csr_matrix((x.data, place[x.indices], x.indptr), shape=(x.shape[0], len(used)))
        at = torch.from_numpy(used).to(self.rows.device)
        return Look(local, at, self.rows[at])

    def descend(self, look: Look, gradient: Tensor) -> None:
        """One step on the rows of `look`, given their gradient [k, d]."""
        if not self.learning_rate:
            return
        self.steps += 1
        value, first, second = look.rows.unbind(dim=1)
        first.mul_(FIRST).add_(gradient, alpha=1 - FIRST)
        second.mul_(SECOND).addcmul_(gradient, gradient, value=1 - SECOND)
        spread = (second / (1 - SECOND**self.steps)).sqrt_().add_(TINY)
        value.addcdiv_(first, spread, value=-self.learning_rate / (1 - FIRST**self.steps))
        self.rows[look.used] = look.rows

    def remember(self, share: float) -> None:
        """Move the average towards the present values."""
        self.average.lerp_(self.rows[:, 0], share)


@dataclass(frozen=True)
class Look:
    """Some rows of a table, and the matrix that adds them up."""

    x: Rows  # [n, k]
    used: Tensor  # int64[k]
    rows: Tensor  # [k, 3, d]

    def sums(self) -> Tensor:
        """[n, d] x @ values."""
        return multiply(self.x, self.rows[:, 0])

    def spread(self, gradient: Tensor) -> Tensor:
        """[k, d] gradient of the values, given that of the sums."""
        return multiply(self.x.T.tocsr(), gradient)


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
