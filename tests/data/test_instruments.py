import numpy as np

from recsys.data import instruments

MARKET = np.array([0, 0, 0, 1, 1], dtype=np.int32)
FIRM = np.array([0, 0, 1, 0, 1], dtype=np.int32)
X = np.array([[1.0], [2.0], [4.0], [3.0], [3.5]])


def test_hausman_leaves_the_own_segment_out() -> None:
    price = np.array([10.0, 12.0, 20.0, 7.0])
    product = np.array([0, 0, 0, 1], dtype=np.int32)
    period = np.zeros(4, dtype=np.int32)
    segment = np.array([0, 1, 2, 0], dtype=np.int32)
    z = instruments.hausman(price, product, period, segment).values[:, 0]
    np.testing.assert_allclose(z[:3], [16.0, 15.0, 11.0])
    np.testing.assert_allclose(z[3], 14.0)  # nobody else sells it: the mean of the column


def test_blp_sums_by_hand() -> None:
    z = instruments.blp_sums(X, ("sugar",), MARKET, FIRM)
    assert z.names == ("blp_own_count", "blp_own_sugar", "blp_rival_count", "blp_rival_sugar")
    expected = [[1, 2, 1, 4], [1, 1, 1, 4], [0, 0, 2, 3], [0, 0, 1, 3.5], [0, 0, 1, 3]]
    np.testing.assert_allclose(z.values, expected)


def test_differentiation_by_hand() -> None:
    local = instruments.differentiation(X, ("sugar",), MARKET, FIRM)
    np.testing.assert_allclose(local.values, [[1, 0], [1, 0], [0, 0], [0, 1], [0, 1]])
    square = instruments.differentiation(X, ("sugar",), MARKET, FIRM, local=False)
    np.testing.assert_allclose(square.values, [[1, 9], [1, 4], [0, 13], [0, 0.25], [0, 0.25]])


def test_differentiation_equals_pyblp() -> None:
    import pyblp

    rng = np.random.default_rng(0)
    market, firm = np.repeat(np.arange(6), 5), rng.integers(0, 3, 30)
    x = rng.normal(size=(30, 2))
    data = {"market_ids": market, "firm_ids": firm, "a": x[:, 0], "b": x[:, 1]}
    market_rows, firm_rows = market.astype(np.int32), firm.astype(np.int32)
    for version in ("local", "quadratic"):
        theirs = pyblp.build_differentiation_instruments(pyblp.Formulation("0 + a + b"), data, version=version)
        ours = instruments.differentiation(x, ("a", "b"), market_rows, firm_rows, version == "local")
        np.testing.assert_allclose(ours.values, theirs, atol=1e-12)


def test_nest_counts_and_policy() -> None:
    nests = np.array([0, 0, 1, 1, 1], dtype=np.int32)
    z = instruments.nest_counts(nests, MARKET).values[:, 0]
    np.testing.assert_allclose(z, np.log([2, 2, 1, 2, 2]))
    cost = np.array([1.0, 2.0, 5.0, 3.0, 7.0])
    rivals = instruments.nest_rivals(cost, "cost", nests, MARKET)
    assert rivals.names == ("nest_rival_cost",)
    np.testing.assert_allclose(rivals.values[:, 0], [2, 1, 3.25, 7, 3])  # alone in its nest: the mean of the column
    shock = instruments.policy_shock(np.array([0, 1], np.int32), np.array([0.0, 5.0]), np.array([2.0, 3.0]))
    np.testing.assert_allclose(shock.values[:, 0], [0.0, 15.0])
