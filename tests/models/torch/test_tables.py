from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from recsys.models.torch import tables
from recsys.models.torch.tables import DenseTable, RowTable, carry, table_of

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(5, 3)).astype(np.float32)
X = sparse.csr_matrix(np.array([[0, 2, 0, 0, 1], [0, 0, 0, 0, 0.5]], dtype=np.float32))


def table(kind: type, values: np.ndarray, rate: float = 0.1) -> DenseTable | RowTable:
    made: DenseTable | RowTable = kind(torch.from_numpy(values.copy()), torch.from_numpy(values.copy()), rate)
    return made


@pytest.mark.parametrize("kind", [DenseTable, RowTable])
def test_sums_and_their_gradient_are_the_matrix_products(kind: type) -> None:
    look = table(kind, VALUES).look_up(X)
    np.testing.assert_allclose(look.sums().numpy(), X @ VALUES, rtol=1e-6)
    rows = [0, 1, 2, 3, 4] if look.rows is None else look.rows.tolist()
    gradient = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(look.spread(gradient).numpy(), (X.T @ gradient.numpy())[rows], rtol=1e-6)


@pytest.mark.parametrize("kind", [DenseTable, RowTable])
def test_steps_are_adams_and_rows_never_used_stay(kind: type) -> None:
    trained = table(kind, VALUES)
    reference = torch.from_numpy(VALUES.copy()).requires_grad_()
    adam = torch.optim.Adam([reference], lr=0.1)
    for _ in range(4):
        gradient = torch.from_numpy(RNG.normal(size=(2, 3)).astype(np.float32))
        reference.grad = torch.from_numpy(X.T @ gradient.numpy())
        adam.step()
        look = trained.look_up(X)
        trained.descend(look, look.spread(gradient))
    np.testing.assert_allclose(trained.values.numpy(), reference.detach().numpy(), rtol=1e-5)
    np.testing.assert_array_equal(trained.values[[0, 2, 3]].numpy(), VALUES[[0, 2, 3]])


def test_a_large_table_is_trained_by_rows_and_a_step_costs_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_WISE_FROM", 5)
    assert isinstance(table_of(VALUES, 0.1, "cpu"), RowTable)
    assert isinstance(table_of(VALUES[:4], 0.1, "cpu"), DenseTable)
    large = table(RowTable, VALUES)
    look = large.look_up(X)
    assert look.values.shape == (2, 3)
    assert look.rows.tolist() == [1, 4]


@pytest.mark.parametrize("kind", [DenseTable, RowTable])
def test_a_rate_of_zero_freezes(kind: type) -> None:
    frozen = table(kind, VALUES, 0.0)
    look = frozen.look_up(X)
    frozen.descend(look, look.spread(torch.ones(2, 3)))
    np.testing.assert_array_equal(frozen.values.numpy(), VALUES)


@pytest.mark.parametrize("kind", [DenseTable, RowTable])
def test_the_average_follows(kind: type) -> None:
    moved = table(kind, np.zeros((2, 1), np.float32))
    moved.values[:] = 4.0
    moved.remember(0.25)
    assert moved.average.flatten().tolist() == [1.0, 1.0]


def test_rows_are_carried_by_name() -> None:
    fresh, old = np.zeros((3, 2), np.float32), np.arange(6, dtype=np.float32).reshape(3, 2)
    written = carry(fresh, ["b", "new", "a"], old, ["a", "gone", "b"])
    assert fresh.tolist() == [[4, 5], [0, 0], [0, 1]]
    assert sorted(written.tolist()) == [0, 2]
