import numpy as np
import pytest

from recsys.assortment import nested
from recsys.assortment.instance import value
from recsys.assortment.optimise import optimise
from recsys.assortment.read import instance_of
from tests.assortment import problems


def test_dissimilarity_one_is_multinomial_logit() -> None:
    raw = problems.mnl(np.random.default_rng(0), 30, size=4)
    labels = np.repeat([0, 1, 2], 10).tolist()
    with_nests = instance_of({**raw, "model": "nested_logit", "nests": labels, "dissimilarity": [1.0, 1.0, 1.0]})
    plain, found = optimise(instance_of(raw)), optimise(with_nests)
    assert found.value == pytest.approx(plain.value, rel=1e-12)
    assert (found.carried == plain.carried).all()


def test_shares_are_those_of_the_textbook() -> None:
    raw = {"model": "nested_logit", "utilities": [1.0, 0.5, -0.2], "revenues": [1.0, 1.0, 1.0],
           "nests": ["x", "x", "y"], "dissimilarity": {"x": 0.5, "y": 0.8}, "outside": 0.3}  # fmt: skip
    found = optimise(instance_of(raw))
    x = (np.exp(1.0 / 0.5) + np.exp(0.5 / 0.5)) ** 0.5
    y = np.exp(-0.2)
    total = np.exp(0.3) + x + y
    inside = np.exp(1.0 / 0.5) / (np.exp(1.0 / 0.5) + np.exp(0.5 / 0.5))
    assert found.shares == pytest.approx([x / total * inside, x / total * (1 - inside), y / total])


def test_tiny_dissimilarity_does_not_overflow() -> None:
    raw = problems.nested(np.random.default_rng(1), 3, 8)
    found = optimise(instance_of({**raw, "dissimilarity": [0.001, 0.5, 0.002], "outside": -3.0}))
    assert np.isfinite(found.value)
    assert found.value > 0


@pytest.mark.parametrize("cap", [1, 3, 8, 20])
def test_a_cap_over_many_nests_equals_enumeration_by_nest(cap) -> None:
    """Too many sets to try, but with the value known each nest can be enumerated on its own."""
    rng = np.random.default_rng(cap)
    instance = instance_of(problems.nested(rng, 4, 32))
    carried = nested.best_set(instance, np.ones(32, dtype=bool), cap)
    z = value(instance, carried)
    best = np.zeros(cap + 1)
    for g in range(4):
        rows = np.flatnonzero(instance.nests.of == g)
        v, r = instance.preference[0, rows], instance.revenue[rows]
        gain = np.full(cap + 1, -np.inf)
        for chosen in problems.sets(len(rows)):
            if 0 < (size := int(chosen.sum())) <= cap:
                V = v[chosen].sum()
                power = instance.nests.attraction[g] * V ** instance.nests.dissimilarity[g]
                gain[size] = max(gain[size], power * ((v * r)[chosen].sum() / V - z))
        gain[0] = 0.0
        best = np.array([max(best[c - s] + gain[s] for s in range(c + 1)) for c in range(cap + 1)])
    assert carried.sum() <= cap
    assert best.max() == pytest.approx(instance.outside[0] * z, rel=1e-9)  # z is the optimum where the two meet


def test_rules_beyond_the_cap_are_answered_with_a_bound() -> None:
    rng = np.random.default_rng(9)
    raw = problems.nested(rng, 3, 20, size=5)
    raw |= {"sellers": rng.choice(["A", "B", "C"], 20).tolist(), "constraints": {"sellers": {"*": {"max": 1}}}}
    instance = instance_of(raw)
    found = optimise(instance)
    assert problems.obeys(instance, found.carried)
    assert found.value > 0
    assert found.bound >= found.value
    assert found.status == ("optimal" if found.gap <= 5e-4 else "feasible")
