"""The simulated marketplace: what was planted can be found again in the files, and the truth answers rightly."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from recsys import arrays
from recsys.cli.simulate import register
from recsys.contract import DAY
from recsys.data import oracle, trading
from recsys.data.marketplace import NON_PRODUCTS, PRESETS, WEEK, Marketplace, Size
from recsys.data.oracle import expected_shares, oracle_scores
from recsys.data.planting import TRIAL_EVERY, TRIAL_FIRST
from recsys.data.shelves import KINDS
from recsys.data.simulate import read_truth, simulate, write
from recsys.errors import UsageError

CUT = 62  # the last 28 of 90 days are held out


@pytest.fixture(scope="module")
def market() -> Marketplace:
    return simulate(PRESETS["small"])


@pytest.fixture(scope="module")
def sold(market: Marketplace) -> pl.DataFrame:
    """Order lines of products, returns left out."""
    return market.orders.filter((pl.col("quantity") > 0) & ~pl.col("product").is_in(list(NON_PRODUCTS)))


def test_a_seed_is_a_marketplace() -> None:
    size = Size(customers=40, products=33, sellers=4, days=30, seed=5)
    one, two, other = simulate(size), simulate(size), simulate(dataclasses.replace(size, seed=6))
    for name in ("orders", "products", "customers", "exposures", "prices"):
        assert getattr(one, name).equals(getattr(two, name))
    assert arrays.digest(one.truth) == arrays.digest(two.truth) != arrays.digest(other.truth)


def test_four_orders_of_five_have_one_item(sold: pl.DataFrame) -> None:
    sizes = sold.group_by("order").len()["len"]
    assert (sizes == 1).mean() == pytest.approx(0.80, abs=0.025)
    assert sizes.max() <= 4


def test_five_of_forty_sellers_make_three_tenths_of_sales() -> None:
    orders = simulate(Size(customers=900, products=400, sellers=40, days=60)).orders
    sales = orders.filter(~pl.col("product").is_in(list(NON_PRODUCTS)))
    by_seller = sales.group_by("seller").agg((pl.col("quantity") * pl.col("price")).sum().alias("sales"))["sales"]
    assert len(by_seller) == 40
    assert by_seller.top_k(5).sum() / by_seller.sum() == pytest.approx(0.30, abs=0.03)


def test_every_line_is_accounted_for(market: Marketplace, sold: pl.DataFrame) -> None:
    orders, truth = market.orders, market.truth
    fees = orders.filter(pl.col("product").is_in(list(NON_PRODUCTS)))
    returns = orders.filter(pl.col("quantity") < 0)
    assert orders.height == sold.height + fees.height + returns.height
    assert orders.select("order", "line").is_unique().all()
    known = sold.filter(pl.col("customer").is_not_null())
    assert len(truth.purchases.product) == known.height
    assert truth.purchases.weight.sum() == known["quantity"].sum()
    assert 0.08 < sold["customer"].null_count() / sold.height < 0.2
    match = returns.with_columns(order="O" + pl.col("order").str.slice(1), quantity=-pl.col("quantity"))
    keys = ["order", "line", "customer", "product", "price", "quantity"]
    found = match.join(sold, on=keys, how="inner", nulls_equal=True, suffix="_sold")
    assert found.height == returns.height > 50
    assert (found["time"] > found["time_sold"]).all()


def test_times_are_days_of_the_period_in_order(market: Marketplace) -> None:
    times = market.orders["time"]
    assert times.is_sorted()
    assert times[0] >= "2025-01-06T00:00:00Z"
    assert times[-1] < "2025-04-06T00:00:00Z"


def test_nothing_is_sold_or_shown_that_was_not_offered(market: Marketplace, sold: pl.DataFrame) -> None:
    truth = market.truth
    for table in (sold, market.exposures):
        row = truth.products.rows(table["product"].to_list())
        seconds = table["time"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.epoch("s").to_numpy()
        assert truth.offered[row, (seconds - truth.start) // DAY].all()
    assert oracle.barred(market, truth.last_day).any()
    assert (~truth.offered).any(axis=1).sum() > 30  # launched, discontinued or out of stock at some time


def test_new_products_arrive_through_the_period(market: Marketplace) -> None:
    first = np.argmax(market.truth.offered, axis=1) // WEEK
    assert len(set(first.tolist()) - {0}) >= 8


def test_the_charged_price_is_on_the_line(market: Marketplace, sold: pl.DataFrame) -> None:
    week = sold.with_columns(week=pl.col("time").str.to_date("%Y-%m-%dT%H:%M:%SZ").dt.truncate("1w").cast(pl.String))
    listed = market.prices.with_columns(week=pl.col("week").str.slice(0, 10))
    joined = week.join(listed, on=["week", "segment", "product"], suffix="_listed")
    assert joined.height == sold.height
    assert (joined["price"] == joined["price_listed"]).all()
    assert (joined["cost"] == joined["cost_listed"]).all()


def test_probabilities_are_the_formula(market: Marketplace) -> None:
    truth, day = market.truth, 50
    customer = int(np.argmax(np.diff(truth.purchases.start)))
    events = truth.purchases
    past = slice(*events.start[customer : customer + 2])
    before = {
        int(p) for p, t in zip(events.product[past], events.time[past], strict=True) if t < truth.start + day * DAY
    }
    assert before
    s, w = truth.segment[customer], day // WEEK
    strength = {}
    for j in np.flatnonzero(truth.offered[:, day]):
        value = float(truth.quality[j] + truth.segment_effect[s, j] + truth.shock[s, j, w])
        value += sum(float(a) * float(b) for a, b in zip(truth.taste[customer], truth.loading[j], strict=True))
        value -= float(truth.price_coefficient[customer]) * float(truth.price[s, j, w])
        strength[int(j)] = math.exp(value + (float(truth.repeat_effect[j]) if int(j) in before else 0.0))
    expected = [strength.get(j, 0.0) / (1 + sum(strength.values())) for j in range(len(truth.products))]
    found = oracle_scores(market, np.array([customer], dtype=np.int32), None, day)[0]
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_the_oracle_never_sees_the_future(market: Marketplace) -> None:
    truth = market.truth
    keep = truth.purchases.time < truth.start + 40 * DAY
    owner = np.repeat(np.arange(len(truth.purchases)), np.diff(truth.purchases.start))[keep]
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(truth.customers)))]).astype(np.int64)
    past = dataclasses.replace(
        truth.purchases, start=start,
        **{n: getattr(truth.purchases, n)[keep] for n in ("product", "time", "weight", "market")},
    )  # fmt: skip
    everybody = np.arange(len(truth.customers), dtype=np.int32)
    cut = oracle_scores(dataclasses.replace(truth, purchases=past), everybody, None, 40)
    np.testing.assert_array_equal(cut, oracle_scores(market, everybody, None, 40))


def test_expected_shares_agree_with_what_was_sold(market: Marketplace, sold: pl.DataFrame) -> None:
    """Per product over the whole period: visits x expected share against first items sold."""
    truth = market.truth
    first = Counter(sold.filter(pl.col("line") == 1)["product"].to_list())
    counts = np.array([first[p] for p in truth.products.ids], dtype=float)
    weight = np.bincount(truth.segment, truth.rate) / truth.rate.sum()
    shares = [sum(w * expected_shares(market, day, s) for s, w in enumerate(weight)) for day in range(0, truth.days, 5)]
    mean = np.mean(shares, axis=0)
    assert mean.sum() == pytest.approx(0.30, abs=0.02)
    assert np.corrcoef(mean, counts)[0, 1] > 0.93  # purchases of the past are left out of expected shares


def test_elasticities_are_the_slope_of_expected_shares(market: Marketplace) -> None:
    truth, day = market.truth, market.truth.last_day
    for segment in range(len(truth.segments)):
        price = truth.price[segment, :, day // WEEK].astype(float)
        base = expected_shares(market, day, segment, price)
        for j in np.flatnonzero(truth.offered[:, day])[:5]:
            dearer = price.copy()
            dearer[j] *= 1.01
            slope = np.log(expected_shares(market, day, segment, dearer)[j] / base[j]) / np.log(1.01)
            assert truth.elasticity[segment, j] == pytest.approx(slope, rel=0.02)
    assert np.isnan(truth.elasticity[:, ~truth.offered[:, day]]).all()


def test_a_counterfactual_moves_buyers_to_the_others(market: Marketplace) -> None:
    day, truth = 30, market.truth
    base = expected_shares(market, day, 1)
    j = int(np.argmax(base))
    gone = expected_shares(market, day, 1, offered=truth.offered[:, day] & (np.arange(len(base)) != j))
    assert gone[j] == 0
    others = np.delete(gone - base, j)
    assert (others >= -1e-9).all()
    assert 0 < others.sum() < base[j]  # some leave the shop


def test_experiments_are_random_and_their_response_is_the_true_one(market: Marketplace) -> None:
    truth, trials = market.truth, market.truth.experiments
    weeks = set(trials.week.tolist())
    assert weeks <= set(range(TRIAL_FIRST, len(truth.cost[0]), TRIAL_EVERY))
    assert len(weeks) == 2
    assert ((trials.response > 1) == (trials.charged < trials.planned)).all()
    np.testing.assert_allclose(truth.price[trials.segment, trials.product, trials.week], trials.charged, rtol=1e-6)
    shock = truth.shock[trials.segment, trials.product, trials.week]
    assert abs(np.corrcoef(np.log(trials.charged / trials.planned), shock)[0, 1]) < 3 / np.sqrt(len(shock))
    for e in range(0, len(trials.product), 17):
        s, j, w = trials.segment[e], trials.product[e], int(trials.week[e])
        offered = truth.offered[:, w * WEEK : (w + 1) * WEEK].sum(axis=1) > 3
        charged = truth.price[s, :, w].astype(float)
        planned = charged.copy()
        planned[j] = trials.planned[e]
        after = expected_shares(market, w * WEEK, s, charged, offered)[j]
        before = expected_shares(market, w * WEEK, s, planned, offered)[j]
        assert trials.response[e] == pytest.approx(after / before, rel=1e-3)


def _within(values: np.ndarray, offered: np.ndarray) -> np.ndarray:
    """[s, m, w] minus the means of product-segment and of segment-week over what was offered."""
    counts = [np.maximum(offered.sum(axis=axis, keepdims=True), 1) for axis in (2, 1)]
    values = np.where(offered, values, 0)
    for _ in range(10):
        for axis, count in zip((2, 1), counts, strict=True):
            values = np.where(offered, values - values.sum(axis=axis, keepdims=True) / count, 0)
    return values[offered]


def test_prices_follow_demand_so_least_squares_is_fooled_and_costs_are_not(market: Marketplace) -> None:
    truth = market.truth
    weeks = range(0, truth.days, WEEK)
    share = np.array([[expected_shares(market, day, s) for day in weeks] for s in range(3)]).transpose(0, 2, 1)
    offered = (share > 0) & ((share > 0).sum(axis=2, keepdims=True) > 4)
    log_share = np.log(np.where(offered, share, 1)) - np.log(1 - share.sum(axis=1, keepdims=True))
    y, p = _within(log_share, offered), _within(truth.price.astype(float), offered)
    z = _within(np.broadcast_to(truth.cost.astype(float), share.shape), offered)
    shock = _within(truth.shock.astype(float), offered)
    least_squares, by_cost = (p @ y) / (p @ p), (z @ y) / (z @ p)
    mean = truth.price_coefficient.mean()
    assert np.corrcoef(p, shock)[0, 1] > 0.1
    assert abs(np.corrcoef(z, shock)[0, 1]) < 0.06
    assert np.corrcoef(p, z)[0, 1] > 0.4
    assert -least_squares < 0.75 * mean  # biased towards zero
    assert -by_cost > 1.15 * -least_squares


def _pairs(market: Marketplace, sold: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Rows of the first and the second item of every basket of two or more."""
    second = sold.filter(pl.col("line") == 2)
    pairs = sold.filter(pl.col("line") == 1).join(second, on="order", suffix="_second")
    rows = market.truth.products.rows
    return rows(pairs["product"].to_list()), rows(pairs["product_second"].to_list()), pairs


def test_partners_are_bought_together(market: Marketplace, sold: pl.DataFrame) -> None:
    truth = market.truth
    partners = truth.complements.toarray() > 0
    assert (partners.sum(axis=1) == 3).all()
    assert not (partners & (truth.design[:, None] == truth.design)).any()
    a, b, _ = _pairs(market, sold)
    share = np.bincount(truth.products.rows(sold["product"].to_list())) / sold.height
    by_chance = np.mean(partners[a] @ share)
    assert partners[a, b].mean() == pytest.approx(0.7, abs=0.15)  # a partner may be off sale
    assert partners[a, b].mean() > 5 * by_chance


def test_the_true_second_item_is_likelier_than_any_guess(market: Marketplace, sold: pl.DataFrame) -> None:
    """Log-likelihood of real second items: knowing the customer beats the crowd, the crowd beats sales shares."""
    truth = market.truth
    a, b, pairs = _pairs(market, sold)
    seconds = pairs["time"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.epoch("s").to_numpy()
    days = (seconds - truth.start) // DAY
    customer = truth.customers.rows(c or "" for c in pairs["customer"].to_list())
    known = np.flatnonzero(customer >= 0)[::4]
    crowd, personal = [], []
    for row in known:
        first = a[row : row + 1]
        for who, found in ((customer[row], personal), (-1, crowd)):
            chance = oracle.oracle_completion(market, np.array([who], np.int32), first, int(days[row]))[0]
            assert chance.sum() == pytest.approx(1, abs=1e-4)
            assert chance[first[0]] == 0
            assert (chance[~truth.offered[:, days[row]]] == 0).all()
            found.append(np.log(max(chance[b[row]], 1e-9)))
    share = np.bincount(truth.products.rows(sold["product"].to_list())) / sold.height
    assert np.mean(personal) > np.mean(crowd) > np.mean(np.log(share[b[known]]))


def test_some_kinds_are_bought_again(market: Marketplace, sold: pl.DataFrame) -> None:
    again = {kind.name for kind in KINDS if kind.again}
    lines = sold.filter(pl.col("customer").is_not_null()).join(market.products, on="product")
    rate = {}
    for name, part in (("again", pl.col("category").is_in(again)), ("once", ~pl.col("category").is_in(again))):
        some = lines.filter(part)
        rate[name] = 1 - some.select("customer", "product").n_unique() / some.height
    assert rate["again"] > 1.8 * rate["once"]


def test_regions_like_what_was_planted(market: Marketplace, sold: pl.DataFrame) -> None:
    """Log odds of each theme per segment against the planted effect of the theme's products, weighted by sales."""
    truth = market.truth
    themes = sorted(set(market.products["theme"].to_list()))
    of = (market.products["theme"].to_numpy()[:, None] == np.array(themes, dtype=object)).astype(float)  # [m, themes]
    units = np.zeros((len(truth.segments), len(truth.products)))
    rows = truth.segments.rows(sold["segment"].to_list()), truth.products.rows(sold["product"].to_list())
    np.add.at(units, rows, 1)
    weight = of * units.sum(axis=0)[:, None]
    effect = truth.segment_effect @ (weight / weight.sum(axis=0))
    share = np.log((units @ of + 0.5) / units.sum(axis=1, keepdims=True))
    assert np.corrcoef((share - share.mean(0)).ravel(), (effect - effect.mean(0)).ravel())[0, 1] > 0.7


def _ndcg(scores: np.ndarray, hidden: np.ndarray) -> float:
    asked = hidden.any(axis=1)
    top = np.argsort(-scores[asked], axis=1, kind="stable")[:, :10]
    discount = 1 / np.log2(np.arange(2, 12))
    gain = np.take_along_axis(hidden[asked], top, axis=1) @ discount
    ideal = np.cumsum(discount)[np.minimum(hidden[asked].sum(axis=1), 10) - 1]
    return float((gain / ideal).mean())


def test_tastes_can_be_learnt_from_purchases(market: Marketplace) -> None:
    """Plain item neighbours close much of the gap between popularity and the oracle, and nobody beats the oracle."""
    truth = market.truth
    everybody = np.arange(len(truth.customers), dtype=np.int32)
    past = oracle.bought_before(truth, everybody, CUT)
    hidden = oracle.bought_before(truth, everybody, truth.days) & ~past & past.any(axis=1)[:, None]
    barred = past | oracle.barred(market, CUT - 1)
    bought = past.astype(float)
    together = bought.T @ bought
    cosine = together / np.sqrt(np.outer(together.diagonal() + 10, together.diagonal() + 10))
    best = oracle_scores(market, everybody, None, CUT - 1)
    popular, near, best = (
        _ndcg(np.where(barred, -np.inf, s), hidden) for s in (together.diagonal() + 0 * best, bought @ cosine, best)
    )
    assert (near - popular) / (best - popular) > 0.4
    assert best > 1.2 * near


def test_propensities_are_those_of_the_policy(market: Marketplace) -> None:
    """Recomputed from the truth for every slate: P(position k) = policy / what earlier positions left."""
    truth, log = market.truth, market.exposures
    assert log.height % 5 == 0
    assert log.group_by("slate").len()["len"].unique().to_list() == [5]
    assert log.select("slate", "product").is_unique().all()
    assert log.group_by("visitor").agg(pl.col("arm").n_unique())["arm"].max() == 1  # sticky
    week = (log["time"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.epoch("s").to_numpy() - truth.start) // (WEEK * DAY)
    for start in range(0, log.height, 5 * 41):
        arm, visitor, w = log["arm"][start], log["visitor"][start], int(week[start])
        person = truth.customers.row(visitor) if visitor[0] == "C" else int(visitor[1:])
        chance = trading.policy(truth, arm, w, np.array([person]))[0]
        assert chance.sum() == pytest.approx(1)
        left = 1.0
        for row in range(start, start + 5):
            (column,) = np.flatnonzero(truth.logging.shelf[w] == truth.products.row(log["product"][row]))
            assert log["propensity"][row] == pytest.approx(chance[column] / left)
            left -= chance[column]


def test_weighting_the_random_arm_gives_the_click_rate_of_the_others(market: Marketplace) -> None:
    """First positions of all arms: mean of 1/propensity is the shelf; IPS to uniform agrees with the random arm."""
    first = market.exposures.filter(pl.col("position") == 1)
    shelf = market.truth.logging.shelf.shape[1]
    inverse = 1 / first["propensity"].to_numpy()
    assert abs(inverse.mean() - shelf) < 4 * inverse.std() / np.sqrt(len(inverse))
    other = first.filter(pl.col("arm") != "random")
    value = other["outcome"].to_numpy() / other["propensity"].to_numpy() / shelf
    random = first.filter(pl.col("arm") == "random")["outcome"].to_numpy()
    error = np.sqrt(value.var() / len(value) + random.var() / len(random))
    assert abs(value.mean() - random.mean()) < 4 * error
    rate = {name: part["outcome"].mean() for (name,), part in market.exposures.group_by("arm")}
    assert rate["personal"] > 1.3 * rate["random"]
    by_position = market.exposures.group_by("position").agg(pl.col("outcome").mean()).sort("position")["outcome"]
    assert by_position.is_sorted(descending=True)


def test_written_files_are_read_back(market: Marketplace, tmp_path: Path) -> None:
    rows = write(market, tmp_path / "shop")
    text = {"order": pl.String, "customer": pl.String}
    back = pl.read_csv(tmp_path / "shop" / "orders.csv.gz", schema_overrides=text)
    assert rows["orders.csv.gz"] == back.height == market.orders.height
    assert back["price"].to_list() == market.orders["price"].to_list()
    log = pl.read_csv(tmp_path / "shop" / "exposures.csv.gz")
    assert log["propensity"].to_list() == market.exposures["propensity"].to_list()
    truth = read_truth(tmp_path / "shop")
    assert arrays.digest(truth) == arrays.digest(market.truth)
    np.testing.assert_array_equal(expected_shares(truth, 9, 2), expected_shares(market, 9, 2))
    with pytest.raises(UsageError, match="not empty"):
        write(market, tmp_path / "shop")


def test_the_command_writes_a_shop_and_refuses_nonsense(tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    asked = [str(tmp_path / "shop"), "--preset", "small", "--customers", "50", "--products", "40", "--days", "35"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "shop").iterdir()} == {
        "orders.csv.gz", "products.csv", "customers.csv", "exposures.csv.gz", "prices.csv.gz", "truth.safetensors",
    }  # fmt: skip
    for wrong in (["--preset", "tiny"], ["--products", "3"], ["--sellers", "700"], ["--days", "0"]):
        failed = CliRunner().invoke(app, [str(tmp_path / "other"), *wrong])
        assert isinstance(failed.exception, UsageError)
        assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_the_demo_looks_like_the_business() -> None:
    market = simulate(PRESETS["demo"])
    lines = market.orders.filter((pl.col("quantity") > 0) & ~pl.col("product").is_in(list(NON_PRODUCTS)))
    assert 60_000 < lines.height < 100_000
    sales = lines.group_by("seller").agg((pl.col("quantity") * pl.col("price")).sum().alias("sales"))["sales"]
    assert sales.top_k(5).sum() / sales.sum() == pytest.approx(0.30, abs=0.02)
    elasticity = market.truth.elasticity[np.isfinite(market.truth.elasticity)]
    assert (elasticity < 0).all()
    assert -3 < np.median(elasticity) < -1.2
    launched = np.argmax(market.truth.offered, axis=1) // WEEK
    assert set(launched.tolist()) == set(range(market.truth.last_day // WEEK + 1))  # cold products every week
    attributes = market.products.select("category", "colour", "theme", "design")
    assert [attributes[name].n_unique() for name in attributes.columns[:3]] == [12, 8, 10]
    assert 100 < attributes["design"].n_unique() < market.products.height / 2  # variants share a design


def test_window_scores_are_the_mean_of_the_days_with_the_past_of_the_first(market: Marketplace) -> None:
    truth = market.truth
    customers = np.array([3, 40, 77], dtype=np.int32)
    before = truth.purchases.time < truth.start + CUT * DAY
    owner = np.repeat(np.arange(len(truth.purchases)), np.diff(truth.purchases.start))[before]
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(truth.customers)))]).astype(np.int64)
    past = dataclasses.replace(
        truth.purchases, start=start,
        **{n: getattr(truth.purchases, n)[before] for n in ("product", "time", "weight", "market")},
    )  # fmt: skip
    then = dataclasses.replace(truth, purchases=past)
    days = range(CUT, CUT + 10)
    expected = np.mean([oracle_scores(then, customers, None, day) for day in days], axis=0)
    np.testing.assert_allclose(oracle.window_scores(truth, customers, CUT, CUT + 9), expected, rtol=1e-4)


def test_a_stranger_gets_the_shares_of_the_segment(market: Marketplace) -> None:
    found = oracle.window_scores(market, np.array([-2, 5, -1], dtype=np.int32), 70, 71)
    for row, segment in ((0, 1), (2, 0)):
        expected = (expected_shares(market, 70, segment) + expected_shares(market, 71, segment)) / 2
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


def test_pair_scores_are_the_probability_of_the_unordered_pair(market: Marketplace) -> None:
    """Against enumeration: first i then j, or first j then i, for one customer on one day."""
    truth, day, customer, shown = market.truth, 50, 9, 4
    assert truth.offered[shown, day]
    who = np.array([customer], dtype=np.int32)
    first = oracle_scores(market, who, None, day)[0].astype(float)
    everything = np.arange(len(truth.products), dtype=np.int32)
    values = oracle.utilities(truth, who, everything, day)
    values += truth.repeat_effect * oracle.bought_before(truth, who, day)
    strength = np.exp(values[0].astype(float)) * truth.offered[:, day]
    bonus = 1 + truth.complements.toarray()
    expected = np.zeros(len(strength))
    for j in np.flatnonzero(truth.offered[:, day]):
        for one, other in ((shown, j), (j, shown)):
            left = strength * bonus[one]
            left[one] = 0
            if one != other:
                expected[j] += first[one] * left[other] / (left.sum() + truth.enough)
    found = oracle.pair_scores(market, who, np.array([shown], dtype=np.int32), [day])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-12)


def test_a_guests_pair_scores_are_the_crowds(market: Marketplace) -> None:
    found = oracle.pair_scores(market, np.array([-1, 9], np.int32), np.array([4, 4], np.int32), [50, 57])
    assert found.shape == (2, len(market.truth.products))
    assert (found[:, 4] == 0).all()
    partners = np.flatnonzero(market.truth.complements[4].toarray()[0] * market.truth.offered[:, 50])
    others = np.delete(np.arange(found.shape[1]), [4, *partners])
    assert found[0, partners].mean() > 3 * found[0, others].mean()
