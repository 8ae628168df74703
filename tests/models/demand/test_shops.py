"""What the choice models must show on real and simulated shops: the tracks of docs/demand.md, with their figures."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from recsys.assortment.new_product import Newcomer, choice_with, ridge_predict
from recsys.contract import Run
from recsys.data.marketplace import PRESETS, Size
from recsys.evaluation.market_choice import judge
from recsys.evaluation.price_response import price_changes, price_response
from recsys.models.demand.formulas import Formulas
from recsys.models.demand.ladder import units_of
from recsys.models.demand.mnl_control import fit_mnl
from recsys.models.demand.panel import Panel
from recsys.models.demand.plain_logit import fit_logit
from recsys.scorers.choice import segment_of
from recsys.scorers.likelihood import predicted
from tests.models.demand.economies import orange_juice
from tests.models.demand.shops import experiment_responses, marketplace, panel

EFFECTS = ("product", "segment", "period")
JUICE = Formulas("prices + deal + feature", EFFECTS, instruments=("demand_instruments_hausman",))
SHOP = Formulas("prices", EFFECTS, instruments=("cost",))


def held_out_weeks(juice: Panel, weeks: int = 20) -> tuple[Panel, Panel, np.ndarray]:
    """(train, test, segment of each market): the last weeks are held out."""
    week = np.array([int(str(m).rpartition("@")[2]) for m in juice.space.markets.ids])
    late = week[juice.offers.market] > week.max() - weeks
    segment = juice.space.segments.rows(segment_of(str(m)) for m in juice.space.markets.ids)
    return juice.take(~late), juice.take(late), segment


@pytest.mark.slow
def test_orange_juice_market_choice_and_price_response() -> None:
    """AC-R1: log-likelihood per unit >= -1.98 and top-1 >= .57 on 1,585 held-out markets; and the sign of what
    happens when a price moves by more than 10 %."""
    train, test, segment = held_out_weeks(orange_juice())
    units = units_of(test)
    popular = np.bincount(train.offers.alternative, units_of(train))[test.offers.alternative]
    ground = judge(popular, units, test.offers.market)
    assert len(ground.top_1) == 1585
    assert ground.likelihood.per_unit == pytest.approx(-2.142, abs=0.001)
    assert judge(units, units, test.offers.market).likelihood.per_unit == pytest.approx(-1.741, abs=0.001)
    demand, card = fit_mnl(train, JUICE, Run(), draws=0)
    assert card.eligible, card.sentence()
    p = predicted(demand.scorer(), test.offers, segment)
    found = judge(p, units, test.offers.market)
    assert found.likelihood.per_unit >= -1.98
    assert found.top_1.mean() >= 0.57
    assert found.ndcg_at_3.mean() > ground.ndcg_at_3.mean() + 0.1
    gain, se = found.likelihood.gain_over(ground.likelihood)
    assert gain > 10 * se
    o = test.offers
    moved = price_changes(o.price, o.alternative, test.segment, test.period, np.ones(len(test), bool))
    share = units / np.bincount(o.market, units)[o.market]
    q = p / np.bincount(o.market, p)[o.market]
    then, now = moved.before, moved.after
    response = price_response(np.log(q[now] / q[then]), np.log(share[now] / share[then]))
    assert response.events > 1000
    assert response.sign_right > 0.75
    assert 0.6 < response.slope < 1.2


@pytest.mark.slow
def test_marketplace_experiments_are_predicted_with_instruments_and_not_without() -> None:
    """The price-response track: sign right in >= 95 %, size within 20 % of the truth; least squares fails it."""
    shop = marketplace(PRESETS["demo"])
    built = panel(shop)
    p = Panel(built.offers, built.space)
    fits = {
        "control function": fit_mnl(p, SHOP, Run(), draws=0),
        "prices as given": fit_mnl(p, SHOP, Run(), control=False),
        "least squares": fit_logit(p, SHOP, "ols"),
    }
    found = {name: price_response(*experiment_responses(d.scorer(), shop)) for name, (d, _) in fits.items()}
    assert found["control function"].events > 1000
    assert found["control function"].passed, found
    assert not found["prices as given"].passed, found
    assert not found["least squares"].passed, found


@pytest.mark.slow
def test_new_orange_juices_are_ranked_better_than_by_a_regression() -> None:
    """Each brand left out in turn: its share in markets, from its size, make, price and promotion."""
    juice = with_labels(orange_juice())
    kept = np.isin(juice.offers.market, np.random.default_rng(0).choice(len(juice.space.markets), 800, replace=False))
    juice = juice.take(kept)
    found: list[tuple[float, float, float]] = []
    for brand in range(11):
        mine = juice.offers.alternative == brand
        rest, left = juice.take(~mine), juice.take(mine)
        scorer = fit_logit(rest, JUICE)[0].scorer()
        regression = regress(rest, left)
        for i in range(0, len(left), 8):
            attributes = dict(zip(juice.offers.attribute_names, left.offers.attributes[i], strict=True))
            newcomer = Newcomer(float(left.offers.price[i]), attributes)
            chance = choice_with(scorer, int(left.offers.market[i]), newcomer).shares()[-1]
            found.append((float(chance), float(regression[i]), float(left.shares[i])))
    demand, regression, truth = np.array(found).T
    ours, theirs = spearmanr(demand, truth)[0], spearmanr(regression, truth)[0]
    print(f"rank correlation: demand {ours:.3f}, regression {theirs:.3f}")
    assert ours > theirs + 0.05


def with_labels(juice: Panel) -> Panel:
    """What stands on the cartons: ounces, premium, a store's own brand."""
    ounces = np.array([64, 96, 64, 64, 64, 96, 64, 64, 64, 64, 128.0]) / 64
    premium, store = np.arange(11) < 3, np.arange(11) > 8
    a = juice.offers.alternative
    attributes = np.column_stack([juice.offers.attributes, ounces[a], premium[a], store[a]])
    names = (*juice.offers.attribute_names, "ounces", "premium", "store_brand")
    return replace(juice, offers=replace(juice.offers, attributes=attributes, attribute_names=names))


def regress(rest: Panel, left: Panel) -> np.ndarray:
    """Log share on price and attributes."""
    x, at = (np.column_stack([p.offers.price, p.offers.attributes]) for p in (rest, left))
    return ridge_predict(x, np.log(rest.shares), at)


@pytest.mark.slow
def test_new_marketplace_products_are_ranked_as_well_as_by_a_regression() -> None:
    """A quarter of the products left out at a time: share by market, from price, category and seller."""
    shop = marketplace(Size(customers=2500, products=240, sellers=12, segments=3, days=120))
    built = panel(shop, least_orders=0.0)
    whole = Panel(built.offers, built.space)
    fold = np.random.default_rng(0).integers(0, 4, len(built.offers.alternatives))
    found: list[tuple[float, float, float]] = []
    for k in range(4):
        out = fold[built.offers.alternative] == k
        rest, left = whole.take(~out), whole.take(out)
        scorer = fit_mnl(rest, SHOP, Run(), draws=0)[0].scorer()
        regression = regress_on_labels(rest, left)
        o = left.offers
        for i in range(0, len(left), 11):
            labels = {n: v for n, v in zip(o.attribute_names, o.attributes[i], strict=True) if n.startswith("category")}
            newcomer = Newcomer(float(o.price[i]), labels, int(o.firm[i]), int(o.nests[i]))
            chance = choice_with(scorer, int(o.market[i]), newcomer).shares()[-1]
            found.append((float(chance), float(regression[i]), float(left.shares[i])))
    demand, regression, truth = np.array(found).T
    ours, theirs = spearmanr(demand, truth)[0], spearmanr(regression, truth)[0]
    print(f"rank correlation: demand {ours:.3f}, regression {theirs:.3f}")
    assert ours > theirs


def regress_on_labels(rest: Panel, left: Panel) -> np.ndarray:
    """Log share (half a unit where nothing sold) on price and category."""
    size = rest.offers.size[rest.offers.market]
    y = np.log(np.maximum(rest.shares, 0.5 / size))
    labels = [i for i, n in enumerate(rest.offers.attribute_names) if n.startswith("category")]
    x, at = (np.column_stack([p.offers.price, p.offers.attributes[:, labels]]) for p in (rest, left))
    return ridge_predict(x, y, at)
