import numpy as np
import pytest

from recsys.contract import Run
from recsys.errors import EmptyError, FitError
from recsys.models.demand.agents import draw
from recsys.models.demand.blp import Settings, fit_blp
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.gates import Card, of_bulk
from recsys.models.demand.ladder import climb, held_out
from recsys.models.demand.nested_logit import fit_nested
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import fit_logit
from tests.models.demand.economies import simulated
from tests.models.demand.test_nested_logit import SPEC, nested_markets

LOGIT = Formulas("1 + prices + x", ())


def blp(panel: Panel) -> tuple:
    agents = draw(len(panel.space.markets), 1, "product", 7)
    fit = fit_blp(panel, Formulas("1 + prices + x", (), "x"), agents, Settings(sigma=(0.6,)), Run())
    return fit.demand, fit.card


def test_nests_are_climbed_where_there_are_nests() -> None:
    reached = climb(
        nested_markets(T=120), {"logit": lambda p: fit_logit(p, SPEC), "nested_logit": lambda p: fit_nested(p, SPEC)}
    )
    assert [r.climbed for r in reached.rungs] == [True, True, True]
    assert reached.demand.rho == pytest.approx(0.6, abs=0.1)
    assert len(np.unique(reached.demand.panel.offers.market)) == 120
    assert reached.rungs[2].gain > reached.rungs[2].se > 0


def test_a_refused_rung_is_not_climbed_and_says_why() -> None:
    def refused(panel: Panel) -> tuple:
        demand, _ = fit_logit(panel, LOGIT)
        return demand, Card(of_bulk(-4.0, -2.0))

    def failing(panel: Panel) -> tuple:
        raise FitError("BLP", got="nonsense")

    reached = climb(simulated(0, 50), {"logit": lambda p: fit_logit(p, LOGIT), "bulk": refused, "blp": failing})
    assert [r.climbed for r in reached.rungs] == [True, True, False, False]
    assert "quantity discounts" in reached.rungs[2].words
    assert "nonsense" in reached.rungs[3].words
    assert reached.demand.rung.startswith("logit")


def test_the_same_again_is_not_worth_a_rung() -> None:
    rungs = {"logit": lambda p: fit_logit(p, LOGIT), "again": lambda p: fit_logit(p, LOGIT)}
    assert [r.climbed for r in climb(simulated(0, 50), rungs).rungs] == [True, True, False]


def test_nothing_that_holds_is_an_error_with_the_reasons() -> None:
    def failing(panel: Panel) -> tuple:
        raise FitError("BLP", got="nonsense")

    with pytest.raises(FitError, match="blp: failed: BLP; got nonsense"):
        climb(simulated(0, 10), {"blp": failing})


def test_the_latest_periods_are_held_out() -> None:
    panel = nested_markets(T=10)
    assert len(np.unique(panel.offers.market[held_out(panel)])) == 2
    with pytest.raises(EmptyError, match="at least 5"):
        held_out(nested_markets(T=4))


@pytest.mark.slow
def test_blp_is_climbed_where_tastes_differ_and_judged_on_other_markets() -> None:
    reached = climb(simulated(3, 150), {"logit": lambda p: fit_logit(p, LOGIT), "blp": blp})
    assert reached.rungs[2].gain is not None
    assert reached.rungs[2].log_likelihood > reached.rungs[0].log_likelihood
