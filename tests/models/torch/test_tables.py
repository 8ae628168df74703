from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from recsys.models.torch.tables import Table, carry

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(5, 3)).astype(np.float32)
X = sparse.csr_matrix(np.array([[0, 2, 0, 0, 1], [0, 0, 0, 0, 0.5]], dtype=np.float32))


def test_sums_and_their_gradient_are_the_matrix_products() -> None:
    look = Table.of(VALUES, 0.1, "cpu").look_up(X)
    np.testing.assert_allclose(look.sums().numpy(), X @ VALUES, rtol=1e-6)
    assert look.used.tolist() == [1, 4]
    gradient = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(look.spread(gradient).numpy(), (X.T @ gradient.numpy())[[1, 4]], rtol=1e-6)


def test_steps_are_adams_and_rows_unused_stay() -> None:
    table = Table.of(VALUES, 0.1, "cpu")
    reference = torch.from_numpy(VALUES[[1, 4]].copy()).requires_grad_()
    adam = torch.optim.Adam([reference], lr=0.1)
    for _ in range(4):
        gradient = torch.from_numpy(RNG.normal(size=(2, 3)).astype(np.float32))
        reference.grad = gradient.clone()
        adam.step()
        table.descend(table.look_up(X), gradient)
    np.testing.assert_allclose(table.rows[[1, 4], 0].numpy(), reference.detach().numpy(), rtol=1e-5)
    np.testing.assert_array_equal(table.rows[[0, 2, 3], 0].numpy(), VALUES[[0, 2, 3]])


def test_a_rate_of_zero_freezes() -> None:
    table = Table.of(VALUES, 0.0, "cpu")
    table.descend(table.look_up(X), torch.ones(2, 3))
    np.testing.assert_array_equal(table.rows[:, 0].numpy(), VALUES)


def test_the_average_follows() -> None:
    table = Table.of(np.zeros((2, 1), np.float32), 0.1, "cpu")
    table.rows[:, 0] = 4.0
    table.remember(0.25)
    assert table.average.flatten().tolist() == [1.0, 1.0]


def test_rows_are_carried_by_name() -> None:
    fresh, old = np.zeros((3, 2), np.float32), np.arange(6, dtype=np.float32).reshape(3, 2)
    written = carry(fresh, ["b", "new", "a"], old, ["a", "gone", "b"])
    assert fresh.tolist() == [[4, 5], [0, 0], [0, 1]]
    assert sorted(written.tolist()) == [0, 2]
