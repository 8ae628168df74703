import numpy as np
import pytest

from recsys.assortment.rules import Constraints, Limits, Traits, rules_of
from recsys.errors import UsageError

TRAITS = Traits(
    ("a", "b", "c"),
    sellers=np.array(["X", "Y", "X"], dtype=object),
    space=np.array([1.0, 2.0, 3.0]),
    price=np.array([5.0, 10.0, 20.0]),
    stock=np.array([0.0, 4.0, 9.0]),
)


def loads(constraints: Constraints) -> dict[str, tuple[list[int], list[float], float, float]]:
    rules = rules_of(constraints, TRAITS)
    return {r.name: (r.rows.tolist(), r.amount.tolist(), r.low, r.high) for r in rules}


def test_each_constraint_is_one_row() -> None:
    found = loads(
        Constraints(size=2, must_carry=("b",), exclude=("c",), space=4.0, price_band=(6.0, 15.0), min_stock=1.0,
                    sellers={"X": Limits(low=1), "*": Limits(high=1)})
    )  # fmt: skip
    inf = np.inf
    assert found == {
        "at most 2 products": ([0, 1, 2], [1, 1, 1], -inf, 2),
        "sellers 'X' at least 1": ([0, 2], [1, 1], 1, inf),
        "sellers 'Y' at most 1": ([1], [1], -inf, 1),
        "must carry 'b'": ([1], [1], 1, inf),
        "never carry 'c'": ([2], [1], -inf, 0),
        "space at most 4": ([0, 1, 2], [1, 2, 3], -inf, 4),
        "price between 6 and 15": ([0, 2], [1, 1], -inf, 0),
        "stock at least 1": ([0], [1], -inf, 0),
    }


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (Constraints(brands={"x": Limits(high=1)}), "without 'brands'"),
        (Constraints(budget=1.0), "without 'spend'"),
        (Constraints(sellers={"Z": Limits(high=1)}), "'Z'; wanted one of X, Y"),
        (Constraints(must_carry=("zz",)), "'zz'; wanted one of a, b, c"),
    ],
)
def test_a_rule_about_something_unknown_is_refused(constraints, words) -> None:
    with pytest.raises(UsageError, match=words):
        rules_of(constraints, TRAITS)


def test_a_rule_binds_at_its_limit() -> None:
    (rule,) = rules_of(Constraints(space=4.0), TRAITS)
    assert rule.kept(np.array([True, False, True]))
    assert rule.binds(np.array([True, False, True]))
    assert not rule.binds(np.array([False, False, True]))
    assert not rule.kept(np.array([False, True, True]))
