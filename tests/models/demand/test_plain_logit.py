import numpy as np
import pytest

from recsys.models.demand.formulas import Formulas
from recsys.models.demand.plain_logit import fit_logit, own_elasticities
from tests.models.demand.economies import nevo, orange_juice

JUICE = Formulas("prices + deal + feature", ("product", "segment", "period"))


def test_nevo_plain_logit_is_the_published_one() -> None:
    """AC-N3."""
    demand, card = fit_logit(nevo(), Formulas(), "gmm")
    price, se = demand.price_coefficient
    assert price == pytest.approx(-30.05, abs=0.005)
    assert se == pytest.approx(1.01, abs=0.005)
    assert demand.objective == pytest.approx(187.46, abs=0.005)
    assert own_elasticities(demand).mean() == pytest.approx(-3.706, abs=0.001)
    assert card.eligible


def test_predicted_shares_equal_observed_shares() -> None:
    demand, _ = fit_logit(nevo(), Formulas(), "2sls")
    scorer = demand.scorer()
    for market in (0, 40, 93):
        rows = scorer.rows_of(market)
        np.testing.assert_allclose(scorer.market(market).shares(), demand.panel.shares[rows], atol=1e-12)


@pytest.mark.slow
def test_orange_juice_instruments_agree() -> None:
    """AC-I1: two instruments that owe nothing to one another tell the same price coefficient."""
    from dataclasses import replace

    panel = orange_juice()
    found = {}
    for name in ("demand_instruments_hausman", "demand_instruments_cost"):
        demand, card = fit_logit(panel, replace(JUICE, instruments=(name,)))
        found[name] = demand.price_coefficient[0]
        assert card.eligible
        assert any(g.name == "fixed effects" and g.verdict == "noted" for g in card.gates)
        assert -3.9 <= own_elasticities(demand).mean() <= -3.6
    hausman, cost = found.values()
    assert -1.66 <= hausman <= -1.58
    assert abs(hausman / cost - 1) < 0.02
    naive, _ = fit_logit(panel, JUICE, "ols")
    assert naive.price_coefficient[0] == pytest.approx(-1.422, abs=0.005)
