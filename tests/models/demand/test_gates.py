import dataclasses

import numpy as np
import pytest

from recsys.errors import RefusedError
from recsys.models.demand import gates
from recsys.models.demand.gates import Card, Optimum, Verdict

GOOD = Optimum(True, np.full(2, 1e-6), np.full(2, 1e-6), np.diag([3.0, 0.1]), 0, 0, 4.5)


def failed(found: tuple[gates.Gate, ...]) -> set[str]:
    return {g.name for g in Card(found).failed}


def test_a_good_optimum_passes() -> None:
    assert not failed(gates.of_optimum(GOOD))


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"flagged": False}, "optimiser (step 1)"),
        ({"projected": np.array([57.0, 0.0])}, "gradient (step 1)"),
        ({"projected": np.array([np.nan, 0.0])}, "gradient (step 1)"),
        ({"hessian": np.diag([3.0, -0.1])}, "curvature (step 1)"),
        ({"hessian": np.full((2, 2), np.nan)}, "curvature (step 1)"),
        ({"fixed_points_failed": 1}, "fixed points (step 1)"),
        ({"clipped": 2}, "clipped shares (step 1)"),
    ],
)
def test_each_fault_of_an_optimum_fails_its_own_gate(change: dict[str, object], gate: str) -> None:
    assert failed(gates.of_optimum(dataclasses.replace(GOOD, **change))) == {gate}


def test_a_parameter_on_a_bound_is_seen_in_the_raw_gradient() -> None:
    held = dataclasses.replace(GOOD, gradient=np.array([3.0, 0.0]), projected=np.zeros(2))
    assert not failed(gates.of_optimum(held))
    assert failed(gates.of_bounds(held)) == {"bounds (step 1)"}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (gates.of_elasticities(np.full(200, -3.0)), Verdict.PASSED),
        (gates.of_elasticities(np.append(np.full(199, -3.0), 0.1)), Verdict.WARNED),
        (gates.of_elasticities(np.append(np.full(190, -3.0), np.full(10, 0.1))), Verdict.FAILED),
        (gates.of_elasticities(np.full(9, np.nan)), Verdict.FAILED),
        (gates.of_elasticities(np.full(9, -0.5))[1:], Verdict.FAILED),
        (gates.of_elasticities(np.full(9, -16.0))[1:], Verdict.FAILED),
        (gates.of_instruments({"prices": 9.0}, np.nan), Verdict.FAILED),
        (gates.of_instruments({"prices": 15.0}, np.nan), Verdict.WARNED),
        (gates.of_instruments({"prices": 24.0}, np.nan), Verdict.PASSED),
        (gates.of_instruments({}, 0.001), Verdict.NOTED),
        (gates.of_nesting(1.1), Verdict.FAILED),
        (gates.of_nesting(0.4), Verdict.PASSED),
        (gates.of_costs(np.array([-1.0, *[2.0] * 9])), Verdict.FAILED),
        (gates.of_starts([4.56, 4.72]), Verdict.WARNED),
        (gates.of_starts([4.5615, 4.5616]), Verdict.PASSED),
        (gates.of_drift(np.array([2.0]), np.array([1.0]), np.array([0.2])), Verdict.WARNED),
        (gates.of_nodes(-2.0, -2.5, 0.1, -3.0, -3.0), Verdict.FAILED),
        (gates.of_nodes(-2.0, -2.01, 0.1, -3.0, -3.01), Verdict.PASSED),
        (gates.of_bulk(-4.0, -2.0), Verdict.FAILED),
        (gates.of_bulk(-4.0, -3.5), Verdict.PASSED),
        (gates.of_size({0.5: -3.0, 1.0: -2.0, 2.0: -2.0}), Verdict.WARNED),
        (gates.of_covariance(np.diag([1.0, 1e-11])), Verdict.FAILED),
        (gates.of_covariance(np.diag([1.0, 1e-3])), Verdict.PASSED),
    ],
)
def test_limits(found: tuple[gates.Gate, ...], verdict: Verdict) -> None:
    assert found[0].verdict is verdict


def test_a_refusal_names_the_gate_and_carries_the_report() -> None:
    card = Card(gates.of_bulk(-4.0, -2.0))
    with pytest.raises(RefusedError, match="quantity discounts pose as price variation") as caught:
        card.require("logit", {"rows": 7})
    assert caught.value.report["rows"] == 7
    assert caught.value.report["gates"][0]["verdict"] == "failed"
    Card(gates.of_bulk(-4.0, -3.9)).require("logit", {})


def test_a_taste_without_spread_is_named() -> None:
    from recsys.models.demand import gates

    (gate,) = gates.of_spreads({"sigma prices": 0.0, "sigma 1": -0.4, "pi prices income": 0.0})
    assert gate.verdict is gates.Verdict.FAILED
    assert "no spread of tastes for prices" in gate.words
    assert gates.of_spreads({"sigma 1": -0.4})[0].verdict is gates.Verdict.PASSED


def test_sensitivities_are_told_in_numbers() -> None:
    from recsys.models.demand import gates

    assert gates.of_size({0.5: -3.0, 1.0: -2.0, 2.0: -2.0})[0].words == (
        "own elasticity -3.00 at 0.5 x the people, -2.00 at 1 x the people, -2.00 at 2 x the people"
    )
    assert gates.of_bulk(-4.0, -3.9)[0].words == "own elasticity -4.00 on all lines, -3.90 without bulk lines"
    assert gates.of_bulk(-4.0, -2.0)[0].words.endswith("quantity discounts pose as price variation")
    (naive,) = gates.of_naive(-1.0, -0.47)
    assert naive.verdict is gates.Verdict.NOTED
    assert "would read -0.47 instead of -1" in naive.words
