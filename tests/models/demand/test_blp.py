import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.contract import Run
from recsys.errors import FitError
from recsys.models.demand.agents import draw
from recsys.models.demand.blp import Settings, fit_blp, look_at
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Verdict
from recsys.models.demand.plain_logit import fit_logit, own_elasticities
from tests.models.demand.economies import automobiles, nevo, nevo_agents, simulated

CEREAL = Formulas("prices", ("product",), "1 + prices + sugar + mushy", "income + income_squared + age + child")
PUBLISHED_START = Settings(
    sigma=(0.3302, 2.4526, 0.0163, 0.2441),
    pi=((5.4819, 0, 0.2037, 0), (15.8935, -1.2, 0, 2.6342), (-0.2506, 0, 0.0511, 0), (1.265, 0, -0.8091, 0)),
)
CEREAL_ESTIMATES = {
    "sigma 1": 0.5581, "sigma prices": 3.3125, "sigma sugar": -0.0058, "sigma mushy": 0.0934,
    "pi 1 income": 2.292, "pi 1 age": 1.2844, "pi prices income": 588.325, "pi prices income_squared": -30.192,
    "pi prices child": 11.0546, "pi sugar income": -0.385, "pi sugar age": 0.0522, "pi mushy income": 0.7484,
    "pi mushy age": -1.3534,
}  # fmt: skip
STOPPED = json.loads((Path(__file__).parent / "golden" / "nevo_stopped.json").read_text())


@pytest.mark.slow
def test_nevo_is_the_published_optimum() -> None:
    """AC-N1, and the numpy form gives back the observed shares."""
    panel = nevo()
    fit = fit_blp(panel, CEREAL, nevo_agents(panel), PUBLISHED_START, Run())
    assert fit.card.eligible, fit.card.sentence()
    price, se = fit.demand.price_coefficient
    assert price == pytest.approx(-62.73, abs=0.1)
    assert se == pytest.approx(14.803, abs=0.01)
    assert fit.demand.objective == pytest.approx(4.56, abs=0.01)
    for name, value in CEREAL_ESTIMATES.items():
        assert fit.demand.nonlinear.get(name)[0] == pytest.approx(value, rel=0.01), name
    own = own_elasticities(fit.demand)
    assert own.mean() == pytest.approx(-3.618, abs=0.001)
    assert (own < 0).all()
    scorer = fit.demand.scorer()
    for market in range(94):
        rows = scorer.rows_of(market)
        np.testing.assert_allclose(scorer.market(market).shares(), panel.shares[rows], atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("stopped", STOPPED, ids=[s["stop"] for s in STOPPED])
def test_nevo_stopped_early_is_refused(stopped: dict) -> None:
    """AC-N2: three points where L-BFGS-B stopped, one of them flagged converged. The stored point is what counts."""
    panel = nevo()
    fit = look_at(panel, CEREAL, nevo_agents(panel), np.array(stopped["sigma"]), np.array(stopped["pi"]))
    assert fit.demand.objective == pytest.approx(stopped["objective"], abs=1e-6)
    assert not fit.card.eligible
    assert any(g.name.startswith(("gradient", "bounds")) for g in fit.card.failed)


@pytest.mark.slow
def test_automobiles_are_the_published_estimates() -> None:
    """AC-B1."""
    panel, agents = automobiles()
    formulas = Formulas("1 + hpwt + air + mpd + space", (), "1 + prices + hpwt + air + mpd + space", "1/income",
                        costs="1 + log(hpwt) + air + log(mpg) + log(space) + trend")  # fmt: skip
    settings = Settings((3.612, 0, 4.628, 1.818, 1.05, 2.056), ((0,), (-43.501,), (0,), (0,), (0,), (0,)), "2s",
                        update_first=True)  # fmt: skip
    fit = fit_blp(panel, formulas, agents, settings, Run())
    assert fit.card.eligible, fit.card.sentence()
    pi, se = fit.demand.nonlinear.get("pi prices 1/income")
    assert pi == pytest.approx(-44.84, abs=0.5)
    assert se == pytest.approx(9.22, abs=0.05)
    assert fit.demand.objective == pytest.approx(497.3, abs=1)
    assert own_elasticities(fit.demand).mean() == pytest.approx(-3.93, abs=0.01)


def test_automobiles_plain_logit() -> None:
    """AC-B1, its second half."""
    panel, _ = automobiles()
    panel = replace(panel, offers=replace(panel.offers, clusters=None))  # as in the tutorial's plain logit
    demand, _ = fit_logit(panel, Formulas("1 + prices + hpwt + air + mpd + space", ()), "gmm")
    price, se = demand.price_coefficient
    assert price == pytest.approx(-0.1499, abs=0.0001)
    assert se == pytest.approx(0.0117, abs=0.0001)


def test_a_deadline_ends_the_search() -> None:
    panel = nevo()
    with pytest.raises(FitError, match="deadline"):
        fit_blp(panel, CEREAL, nevo_agents(panel), PUBLISHED_START, Run(deadline=time.monotonic()))


def test_without_tastes_blp_is_plain_logit() -> None:
    """sigma = pi = 0: the same price, and the same shares in numpy."""
    panel = nevo()
    zero = Formulas("prices", ("product",), "1", "")
    fit = look_at(panel, zero, _one_node(panel), np.zeros(1), np.empty((1, 0)))
    logit, _ = fit_logit(panel, Formulas(), "2sls")
    np.testing.assert_allclose(fit.demand.price_coefficient[0], logit.price_coefficient[0], rtol=1e-9)
    np.testing.assert_allclose(fit.demand.delta, logit.delta, atol=1e-10)


def _one_node(panel):
    return draw(len(panel.space.markets), 1, "product", 3)


@pytest.mark.slow
def test_a_warm_start_after_two_more_markets_finds_the_same_optimum_in_a_quarter_of_the_evaluations() -> None:
    panel = nevo()
    agents = nevo_agents(panel)
    yesterday = fit_blp(panel.take(panel.offers.market < 92), CEREAL, agents, PUBLISHED_START, Run())
    cold = fit_blp(panel, CEREAL, agents, PUBLISHED_START, Run())
    warm = fit_blp(panel, CEREAL, agents, PUBLISHED_START, Run(start=yesterday.state))
    assert warm.evaluations <= 0.25 * cold.evaluations
    assert warm.card.eligible, warm.card.sentence()
    assert any(g.name == "drift" for g in warm.card.gates)
    np.testing.assert_allclose(warm.demand.nonlinear.value, cold.demand.nonlinear.value, rtol=1e-4, atol=1e-5)
    assert warm.demand.price_coefficient[0] == pytest.approx(cold.demand.price_coefficient[0], rel=1e-4)


def test_more_parameters_than_instruments_name_the_cure() -> None:
    panel = nevo()
    few = replace(CEREAL, instruments=("demand_instruments0", "demand_instruments1"))
    with pytest.raises(FitError, match="Give more instruments"):
        fit_blp(panel, few, nevo_agents(panel), PUBLISHED_START, Run())


def test_a_second_pass_that_fails_leaves_the_first_and_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyblp.results.problem_results import ProblemResults

    panel, people = simulated(0, 25), draw(25, 1, "product", 7)
    formulas = Formulas("1 + prices + x", (), "x")
    first = fit_blp(panel, formulas, people, Settings(sigma=(0.6,)), Run())
    whole = fit_blp(panel, formulas, people, Settings(sigma=(0.6,), optimal_instruments=True), Run())

    def singular(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(ProblemResults, "compute_optimal_instruments", singular)
    fit = fit_blp(panel, formulas, people, Settings(sigma=(0.6,), optimal_instruments=True), Run())
    assert fit.demand.price_coefficient == first.demand.price_coefficient
    assert fit.demand.price_coefficient != whole.demand.price_coefficient
    (gate,) = (g for g in fit.card.gates if g.name == "optimal instruments")
    assert gate.verdict is Verdict.WARNED
    assert "Singular matrix" in gate.words
    assert fit.card.eligible == first.card.eligible
    assert not any(g.name == "optimal instruments" for f in (first, whole) for g in f.card.gates)
