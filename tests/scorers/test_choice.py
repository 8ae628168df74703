import dataclasses

import numpy as np
import pytest

from recsys.contract import DAY, EMPTY, Events, Features, Index, Offers, Queries, Space
from recsys.ranking.align import align
from recsys.scorers.choice import ChoiceScorer, Tastes, Utility, latest_market, segment_of
from recsys.scorers.market import MarketChoice
from recsys.scorers.store import load_scorer, scorer_bytes

MARKETS = Index.of(["north@w1", "north@w2", "south@w2"])
SPACE = Space(
    customers=Index.of(["ann", "bob"]),
    products=Index.of([f"p{i}" for i in range(6)]),
    sellers=Index.of(["s"]),
    segments=Index.of(["north", "south"]),
    markets=MARKETS,
)
COMPOSITE_OF = np.array([0, 1, 2, 3, 3, -1], dtype=np.int32)  # p3 and p4 are pooled, p5 is never offered
WITHIN = np.array([1, 1, 1, 0.75, 0.25, 1])
LIKES = np.array([[2.0], [-2.0]])  # two kinds of people: who likes the attribute and who does not


def offers(rows: list[tuple[int, int]], markets: int = 3) -> Offers:
    """Rows (market, alternative); alternatives 0 and 1 have the attribute."""
    market, alternative = (np.array(c, dtype=np.int32) for c in zip(*rows, strict=True))
    return Offers(
        alternatives=Index.of(["p0", "p1", "p2", "rest"]),
        composite_of=COMPOSITE_OF,
        market=market,
        alternative=alternative,
        price=1.0 + alternative,
        firm=np.zeros(len(rows), dtype=np.int32),
        size=np.full(markets, 100.0),
        attributes=(alternative < 2).astype(float)[:, None],
        attribute_names=("cotton",),
        within=WITHIN,
    )


SEEN = offers([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (2, 1), (2, 3)])


def scorer(history_weight: float = 1.0) -> ChoiceScorer:
    return ChoiceScorer(
        space=SPACE,
        offers=SEEN,
        utility=Utility(
            terms=("prices", "cotton"),
            beta=np.array([-0.5, 0.1]),
            alternative=np.array([0.2, 0.1, 0.3, 0.4]),
            segment=np.array([0.0, 0.5, 0.25]),
            period=-1.0,
            delta=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        ),
        tastes=Tastes(("cotton",), LIKES[None], np.full((1, 2), 0.5), np.zeros(3, np.int32), np.zeros(3, np.int32)),
        history_weight=history_weight,
    )


def queries(bought: list[list[tuple[int, int]]], market: list[int], segment: int = 0, space: Space = SPACE) -> Queries:
    """Each customer's purchases as (product, market), and the market each is asked in."""
    n = len(bought)
    flat = [pair for row in bought for pair in row]
    history = Events(
        start=np.concatenate([[0], np.cumsum([len(r) for r in bought])]).astype(np.int64),
        product=np.array([p for p, _ in flat], dtype=np.int32),
        time=np.arange(len(flat), dtype=np.int64) * DAY,
        weight=np.ones(len(flat), dtype=np.float32),
        market=np.array([m for _, m in flat], dtype=np.int32),
    )
    return Queries(space, np.full(n, -1, np.int32), history, None, Features.none(n), np.full(n, segment, np.int32),
                   np.zeros(n, np.int64), np.array(market, dtype=np.int32))  # fmt: skip


def by_hand(delta: list[float], cotton: list[float], weight: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    shares = np.zeros(len(delta))
    for w, like in zip(weight, (2.0, -2.0), strict=True):
        e = np.exp(np.array(delta) + like * np.array(cotton))
        shares += w * e / (1 + e.sum())
    return shares


def test_a_customer_without_purchases_gets_the_shares_of_the_market() -> None:
    score = scorer().score(queries([[]], [0]))[0]
    s = by_hand([0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0])
    np.testing.assert_allclose(score[:3], s[:3], rtol=1e-6)
    np.testing.assert_allclose(score[3:5], [0.75 * s[3], 0.25 * s[3]], rtol=1e-6)
    assert np.isnan(score[5])


def test_a_product_that_the_market_does_not_offer_has_no_score() -> None:
    score = scorer().score(queries([[]], [1]))[0]
    assert np.isnan(score[[1, 3, 4, 5]]).all()
    np.testing.assert_allclose(score[[0, 2]], by_hand([0.5, 0.6], [1, 0]), rtol=1e-6)


def test_own_purchases_reweigh_the_tastes_in_the_market_where_they_happened() -> None:
    """Bayes by hand: one purchase of p0 in market 0 (four offered) and one of p0 in market 1 (two offered)."""
    likelihood = []
    for like in (2.0, -2.0):
        wide = np.exp([0.1 + like, 0.2 + like, 0.3, 0.4])
        narrow = np.exp([0.5 + like, 0.6])
        likelihood.append(wide[0] / (1 + wide.sum()) * narrow[0] / (1 + narrow.sum()))
    w = np.array(likelihood) / sum(likelihood)
    score = scorer().score(queries([[(0, 0), (0, 1)]], [2]))[0]
    np.testing.assert_allclose(score[1], by_hand([0.7, 0.8], [1, 0], tuple(w))[0], rtol=1e-6)
    assert score[1] > scorer().score(queries([[]], [2]))[0][1]


def test_history_weight_zero_and_unknown_markets_leave_the_shares() -> None:
    plain = scorer().score(queries([[]], [0]))
    np.testing.assert_array_equal(scorer(0.0).score(queries([[(0, 0)]], [0])), plain)
    np.testing.assert_array_equal(scorer().score(queries([[(0, -1)]], [0])), plain)
    np.testing.assert_array_equal(scorer().score(queries([[(1, 1)]], [0])), plain)  # p1 was not offered there


def test_a_pooled_product_counts_as_its_composite() -> None:
    one = scorer().score(queries([[(3, 0)]], [0]))
    other = scorer().score(queries([[(4, 0)]], [0]))
    np.testing.assert_array_equal(one, other)


def test_without_a_market_the_segments_latest_answers() -> None:
    np.testing.assert_array_equal(scorer().score(queries([[]], [-1], 0)), scorer().score(queries([[]], [1])))
    np.testing.assert_array_equal(scorer().score(queries([[]], [-1], 1)), scorer().score(queries([[]], [2], 1)))


def test_a_market_of_tomorrow_is_predicted_from_its_offers() -> None:
    """Mean utility of a new market: coefficients, alternative, segment and period; no shock. Ids are the bridge."""
    tomorrow = Index.of(["north@w3", "north@w1", "south@w2"])  # rows differ from the fit's
    space = dataclasses.replace(SPACE, markets=tomorrow)
    row = tomorrow.row("north@w3")
    new = offers([(row, 2), (row, 0)])
    asked = dataclasses.replace(queries([[]], [row], 0, space), offers=new)
    score = scorer().score(align(asked, scorer()))[0]
    delta = [-0.5 * 3 + 0.3 - 1.0, -0.5 * 1 + 0.1 + 0.2 - 1.0]
    np.testing.assert_allclose(score[[2, 0]], by_hand(delta, [0, 1]), rtol=1e-6)
    assert np.isnan(score[[1, 3]]).all()


def test_history_markets_are_found_by_id_on_another_night() -> None:
    tomorrow = Index.of(["a@w0", *MARKETS.ids, "north@w3"])
    space = dataclasses.replace(SPACE, markets=tomorrow)
    same = scorer().score(queries([[(0, 0)]], [0]))
    asked = queries([[(0, tomorrow.row("north@w1"))]], [tomorrow.row("north@w1")], 0, space)
    np.testing.assert_array_equal(scorer().score(align(asked, scorer())), same)


def test_some_products_are_the_same_columns() -> None:
    asked = queries([[(0, 0)], []], [0, 2])
    some = np.array([4, 1], dtype=np.int32)
    np.testing.assert_array_equal(scorer().score(asked, some), scorer().score(asked)[:, some])


def test_a_stored_scorer_answers_the_same() -> None:
    again = load_scorer(scorer_bytes(scorer()))
    asked = queries([[(0, 0)], []], [0, 2])
    np.testing.assert_array_equal(again.score(asked), scorer().score(asked))
    assert scorer_bytes(again) == scorer_bytes(scorer())


def test_markets_by_segment() -> None:
    assert segment_of("north@2024-w03") == "north"
    assert segment_of("C01Q1") == "C01Q1"
    latest = latest_market(np.array([0, 1, 2]), MARKETS, SPACE.segments)
    assert latest.tolist() == [1, 2, 2]
    assert latest_market(np.array([0]), MARKETS, Index.of(["east"])).tolist() == [0, 0]
    assert latest_market(np.array([], dtype=int), EMPTY, EMPTY).tolist() == [-1]


@pytest.fixture(scope="module")
def taste_world() -> tuple[ChoiceScorer, np.ndarray, np.ndarray]:
    """120 products with 6 attributes in 30 markets of 80; 600 people with tastes of their own; 10 purchases each and
    one more to be predicted. The scorer knows the distribution of tastes, nobody's own."""
    rng = np.random.default_rng(7)
    m, T, people, k = 120, 31, 600, 6
    x = rng.normal(size=(m, k))
    quality = 0.5 * rng.normal(size=m)
    sigma = np.full(k, 1.2)
    rows = [(t, j) for t in range(T) for j in np.sort(rng.choice(m, 80, replace=False))]
    market, product = (np.array(c, dtype=np.int32) for c in zip(*rows, strict=True))
    space = Space(EMPTY, Index.of([f"{j:03d}" for j in range(m)]), EMPTY, Index.of(["all"]),
                  Index.of([f"all@{t:02d}" for t in range(T)]))  # fmt: skip
    offered = Offers(
        alternatives=space.products, composite_of=np.arange(m, dtype=np.int32), market=market, alternative=product,
        price=rng.uniform(1, 2, len(rows)), firm=np.zeros(len(rows), np.int32), size=np.ones(T),
        attributes=x[product], attribute_names=tuple(f"x{i}" for i in range(k)),
    )  # fmt: skip
    delta = quality[product] - offered.price
    names = offered.attribute_names
    draws = rng.normal(size=(1, 1000, k)) * sigma
    one = np.zeros(T, np.int32)
    scorer_ = ChoiceScorer(
        space, offered, Utility(names, np.zeros(k), quality, np.zeros(2), 0.0, delta),
        Tastes(names, draws, np.full((1, 1000), 1e-3), one, np.zeros(2, np.int32)),
    )  # fmt: skip
    tastes = rng.normal(size=(people, k)) * sigma
    bought = np.empty((people, 11, 2), dtype=np.int32)
    for u in range(people):
        for i, t in enumerate([*rng.choice(T - 1, 10), T - 1]):
            at = scorer_.rows_of(int(t))
            value = delta[at] + x[product[at]] @ tastes[u] + rng.gumbel(size=len(at))
            bought[u, i] = product[at[value.argmax()]], t
    return scorer_, tastes, bought


def test_ten_purchases_close_most_of_the_gap_to_the_oracle(taste_world) -> None:
    """AC-R2: at least 70 % of the way in hit@10 from the market's own list to everyone's true tastes."""
    scorer_, tastes, bought = taste_world
    last = int(bought[0, 10, 1])
    truth = bought[:, 10, 0]

    def hits(scores: np.ndarray) -> float:
        own = scores[np.arange(len(truth)), truth][:, None]
        return float(((scores > own).sum(axis=1) < 10).mean())

    def asked(n: int) -> np.ndarray:
        rows = [[(int(p), int(t)) for p, t in row[:n]] for row in bought]
        q = queries(rows, [last] * len(rows), 0, scorer_.space)
        return np.nan_to_num(scorer_.score(q), nan=-1)

    at = scorer_.rows_of(last)
    choice = scorer_.market(last)
    mine = MarketChoice(choice.utility[:1] * 0 + scorer_.utility.delta[at] + tastes @ scorer_.offers.attributes[at].T,
                        np.ones(len(tastes)), choice.price, -np.ones(len(tastes)))  # fmt: skip
    oracle = np.full((len(tastes), 120), -1.0)
    oracle[:, scorer_.offers.alternative[at]] = mine.probabilities()
    cold, one, ten, best = hits(asked(0)), hits(asked(1)), hits(asked(10)), hits(oracle)
    assert cold < one < ten < best + 0.02
    assert (ten - cold) / (best - cold) >= 0.7, (cold, one, ten, best)
