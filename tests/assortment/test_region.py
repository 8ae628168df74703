import numpy as np
import pytest

from recsys.assortment.region import choose, matrix, region_of
from recsys.assortment.rules import Rule
from recsys.errors import UsageError
from tests.assortment.problems import sets

EVERY = np.arange(5, dtype=np.int32)


def rule(
    name: str, rows: list[int], low: float = -np.inf, high: float = np.inf, amount: list[float] | None = None
) -> Rule:
    return Rule(name, np.array(rows, np.int32), np.array(amount or [1.0] * len(rows)), low, high)


def test_rules_are_sorted_by_kind() -> None:
    region = region_of(
        [rule("cap", [0, 1, 2, 3, 4], high=3), rule("must", [1], low=1), rule("never", [0, 4], high=0),
         rule("brand", [1, 2], high=1), rule("space", [0, 1, 2], high=1.5, amount=[0.5, 1.0, 0.5])], 5,
    )  # fmt: skip
    assert region.cap == 3
    assert region.forced.tolist() == [False, True, False, False, False]
    assert region.barred.tolist() == [True, False, False, False, True]
    assert [r.name for r in region.rows] == ["brand", "space"]
    A, low, high = matrix(region)
    assert A.toarray().tolist() == [[0, 1, 1, 0, 0], [0.5, 1, 0.5, 0, 0]]
    assert high.tolist() == [1, 1.5]
    assert (low == -np.inf).all()


@pytest.mark.parametrize("seed", range(5))
def test_choose_finds_the_largest_sum(seed) -> None:
    rng = np.random.default_rng(seed)
    rules = [rule("cap", list(range(8)), high=4), rule("must", [3], low=1), rule("never", [6], high=0)]
    if seed % 2:
        rules += [rule("a", [0, 1, 2], low=1, high=2), rule("s", [0, 4, 5], high=1.2, amount=[0.5, 0.6, 0.7])]
    region, gain = region_of(rules, 8), rng.normal(0, 1, 8)
    best = max(gain[s].sum() for s in sets(8) if region.allows(s))
    carried = choose(region, gain)
    assert region.allows(carried)
    assert gain[carried].sum() == pytest.approx(best)


def test_a_conflict_is_the_smallest_part_that_cannot_hold() -> None:
    with pytest.raises(UsageError) as refused:
        region_of(
            [rule("cap", [0, 1, 2, 3, 4], high=2), rule("fine", [0, 1], high=1), rule("A", [0, 1, 2], low=2),
             rule("B", [3, 4], low=1), rule("other", [4], high=0)], 5,
        )  # fmt: skip
    message = str(refused.value)
    assert "'cap'; 'A'; 'B' together" in message


def test_an_empty_rule_with_a_minimum_is_refused() -> None:
    with pytest.raises(UsageError, match="'nobody'"):
        region_of([rule("nobody", [], low=1)], 3)
