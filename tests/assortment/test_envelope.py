import numpy as np
import pytest

from recsys.assortment.envelope import Blocks, bounds, ceilings, grid_of, split
from tests.assortment.problems import sets

TYPES = 3


def world(rng: np.random.Generator, n: int, cap: int, forced: int = 0, shift: float = 0.0) -> tuple[Blocks, np.ndarray]:
    """Three types' blocks and prizes; outside preferences and scales differ."""
    flags = np.zeros(n, dtype=bool)
    flags[rng.permutation(n)[:forced]] = True
    v = rng.lognormal(-1, 1, (TYPES, n))
    blocks = Blocks(v, rng.uniform(0.3, 2, TYPES), rng.uniform(0, 3, (TYPES, n)), np.full(TYPES, shift), flags, cap)
    return blocks, rng.normal(0, 0.3, (TYPES, n))


def reached(blocks: Blocks, prize: np.ndarray, k: int, chosen: np.ndarray) -> float:
    u = blocks.outside[k] + blocks.v[k, chosen].sum()
    money = blocks.money[k, chosen].sum() / u + blocks.shift[k] * (blocks.outside[k] / u - 1)
    return float(money + prize[k, chosen].sum())


def possible(blocks: Blocks) -> list[np.ndarray]:
    return [s for s in sets(len(blocks.forced)) if s.sum() <= blocks.cap and (s >= blocks.forced).all()]


@pytest.mark.parametrize("seed", range(12))
def test_no_set_beats_the_bound_and_splitting_brings_it_close(seed) -> None:
    rng = np.random.default_rng(seed)
    blocks, prize = world(rng, 8, int(rng.integers(2, 9)), forced=seed % 3, shift=0.5 * (seed % 2))
    best = np.array([max(reached(blocks, prize, k, s) for s in possible(blocks)) for k in range(TYPES)])
    grid, values = grid_of(blocks), []
    for _ in range(25):
        found = bounds(blocks, grid, prize)
        values.append(found.value)
        assert (found.value >= best - 1e-12).all()
        grid = split(blocks, found, prize, 0.0)
    assert (values[-1] <= values[0] + 1e-12).all()
    assert (values[-1] <= 1.15 * np.abs(best) + 0.15).all()  # it mixes sets at one u, which small blocks feel


def test_without_a_cap_and_prizes_the_bound_is_the_types_own_optimum() -> None:
    rng = np.random.default_rng(13)
    blocks, prize = world(rng, 9, 9)
    grid = grid_of(blocks)
    for _ in range(40):
        found = bounds(blocks, grid, 0 * prize)
        grid = split(blocks, found, 0 * prize, 0.0)
    best = [max(reached(blocks, 0 * prize, k, s) for s in possible(blocks)) for k in range(TYPES)]
    assert found.value == pytest.approx(np.array(best), rel=0.01)


def test_ceilings_hold_for_every_set_with_the_product() -> None:
    rng = np.random.default_rng(20)
    blocks, prize = world(rng, 7, 3, forced=1)
    grid = bounds(blocks, grid_of(blocks), prize).grid
    ceiling = ceilings(blocks, grid, prize)
    for k in range(TYPES):
        for s in possible(blocks):
            assert (reached(blocks, prize, k, s) <= ceiling[k, s] + 1e-12).all()


def test_each_interval_bounds_the_sets_whose_u_lies_in_it() -> None:
    rng = np.random.default_rng(21)
    blocks, prize = world(rng, 7, 4)
    found = bounds(blocks, grid_of(blocks), prize)
    for k in range(TYPES):
        for s in possible(blocks):
            u = blocks.outside[k] + blocks.v[k, s].sum()
            grid = found.grid
            inside = (grid.of == k) & (grid.low <= u * (1 + 1e-12)) & (u <= grid.high * (1 + 1e-12))
            assert reached(blocks, prize, k, s) <= found.reached[inside].max() + 1e-12


def test_the_mixtures_are_subgradients() -> None:
    rng = np.random.default_rng(22)
    blocks, prize = world(rng, 9, 4)
    grid = grid_of(blocks)
    for _ in range(6):
        grid = bounds(blocks, grid, prize).grid
    found = bounds(blocks, grid, prize)
    for _ in range(20):
        other = prize + rng.normal(0, 0.1, prize.shape)
        moved = bounds(blocks, found.grid, other)
        assert (moved.value >= found.value + (found.mixture * (other - prize)).sum(axis=1) - 2e-3).all()


def test_a_type_without_intervals_has_no_set() -> None:
    blocks, prize = world(np.random.default_rng(23), 4, 2)
    grid = grid_of(blocks)
    grid = grid.take(grid.of != 1)
    found = bounds(blocks, grid, prize)
    assert found.value[1] == -np.inf
    assert np.isfinite(found.value[[0, 2]]).all()
    assert not found.mixture[1].any()
    nobody = bounds(blocks, grid.take(grid.of == 1), prize)
    assert (nobody.value == -np.inf).all()
    assert len(split(blocks, nobody, prize, 0.0).of) == 0


def test_the_number_of_rows_at_once_does_not_matter(monkeypatch) -> None:
    blocks, prize = world(np.random.default_rng(24), 6, 3)
    whole = bounds(blocks, grid_of(blocks), prize)
    monkeypatch.setattr("recsys.assortment.envelope.ENTRIES", 13)
    assert bounds(blocks, grid_of(blocks), prize).value == pytest.approx(whole.value)
