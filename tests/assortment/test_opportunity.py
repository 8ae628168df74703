import gzip
from pathlib import Path

import numpy as np
import pytest

from recsys.assortment.assumption import Assumptions, Input
from recsys.assortment.opportunity import Lines, baskets_of, opportunity
from recsys.errors import DataError, EmptyError
from recsys.evaluation.abplan import Question, plan

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "online_retail" / "online_retail.csv.gz"


def lines_of(*orders: dict[int, float], sellers: dict[int, int] | None = None) -> Lines:
    rows = [(o, product, value) for o, order in enumerate(orders) for product, value in order.items()]
    order, product, value = (np.array(column) for column in zip(*rows, strict=True))
    of = sellers or {}
    seller = np.array([of.get(int(p), 0) for p in product], dtype=np.int32)
    names = tuple(f"s{i}" for i in range(max(of.values(), default=0) + 1))
    return Lines(order.astype(np.int64), product.astype(np.int32), seller, value.astype(np.float64), names)


def test_orders_are_counted_by_distinct_products() -> None:
    lines = lines_of({1: 10.0}, {1: 5.0, 2: 7.0}, {3: 4.0}, {1: 1.0, 2: 2.0, 3: 3.0}, sellers={1: 0, 2: 1, 3: 1})
    more = {"order": 0, "product": 1, "seller": 0, "value": 2.0}
    again = Lines(*(np.append(getattr(lines, name), entry) for name, entry in more.items()), lines.sellers)
    found = baskets_of(again)
    assert found.orders == 4
    assert found.single_value.tolist() == [12.0, 4.0]  # two lines of one product are one item
    assert found.added.tolist() == [5.0]
    assert found.pair_sellers.tolist() == [[0, 1]]
    assert found.order_sellers.tolist() == [3, 3]


def shop(rng: np.random.Generator, n: int = 4000) -> Lines:
    """Two in five orders have two products; single-item orders are dear, so the naive difference is negative."""
    orders = []
    for _ in range(n):
        if rng.uniform() < 0.4:
            orders.append({1: float(rng.lognormal(2, 1)), 2: 500.0})
        else:
            orders.append({int(rng.integers(3, 6)): float(rng.lognormal(7, 1))})
    return lines_of(*orders, sellers={1: 0, 2: 0, 3: 0, 4: 1, 5: 1})


def test_sales_are_singles_times_uptake_times_the_robust_line() -> None:
    lines = shop(np.random.default_rng(0))
    found = baskets_of(lines)
    given = Assumptions(
        uptake=Input(0.05), cannibalised=Input(0.2), returned=Input(0.1), profit_share=Input(0.3), hit_rate=0.5
    )
    row = opportunity(lines, given)[0]
    expected = len(found.single_value) * 0.05 * np.median(found.added) * 0.8 * 0.9
    assert row.sales.middle == pytest.approx(expected, rel=0.02)
    assert row.sales.low < expected < row.sales.high
    assert row.profit.middle == pytest.approx(0.3 * row.sales.middle)
    assert row.within_reach.middle == pytest.approx(0.5 * row.sales.middle)
    assert row.line_mean.middle > row.line.middle  # heavy tail
    assert (
        row.orders_per_arm
        == plan(Question("conversion", 1 - row.single_share.middle, row.single_share.middle * 0.05)).per_arm
    )


def test_the_interval_covers_the_truth() -> None:
    covered = 0
    for seed in range(60):
        row = opportunity(shop(np.random.default_rng(seed), 400), Assumptions(), seed)[0]
        covered += row.line.low <= np.exp(2) <= row.line.high
    assert 46 <= covered <= 60  # 90 % of 60 is 54


def test_sellers_have_rows_of_their_own_and_borrow_what_they_cannot_know() -> None:
    rows = opportunity(shop(np.random.default_rng(1)), Assumptions())
    assert rows[0].scope == "shop"
    by_name = {row.scope: row for row in rows[1:]}
    assert set(by_name) == {"s0", "s1"}
    assert sum(row.single_orders for row in by_name.values()) == rows[0].single_orders
    assert not by_name["s0"].notes
    assert "only 0 two-item orders" in by_name["s1"].notes[0]
    assert rows[1].sales.middle >= rows[2].sales.middle


def test_uncertain_inputs_widen_the_answer_and_lead_the_tornado() -> None:
    lines = shop(np.random.default_rng(2))
    sure, unsure = (opportunity(lines, Assumptions(uptake=u))[0] for u in (Input(0.1), Input(0.1, 0.05)))
    assert unsure.sales.high - unsure.sales.low > 1.5 * (sure.sales.high - sure.sales.low)
    assert unsure.swings[0][0] == "uptake"
    assert "uptake" not in [name for name, _, _ in sure.swings]


def test_the_same_seed_gives_the_same_table() -> None:
    lines = shop(np.random.default_rng(3), 300)
    assert opportunity(lines, Assumptions(), 5) == opportunity(lines, Assumptions(), 5)


def test_lines_that_cannot_answer_are_refused() -> None:
    with pytest.raises(EmptyError, match="1 single-item and 0 two-item"):
        opportunity(lines_of({1: 2.0}), Assumptions())
    with pytest.raises(DataError, match="NaN, zero or negative"):
        baskets_of(lines_of({1: 2.0}, {1: -2.0, 2: 1.0}))


@pytest.mark.skipif(not SHARED.exists(), reason="needs shared/data/online_retail")
def test_online_retail_as_published() -> None:
    import polars as pl

    with gzip.open(SHARED) as file:
        table = pl.read_csv(file.read(), infer_schema=False)
    table = table.with_columns(pl.col("Quantity", "UnitPrice").cast(pl.Float64)).filter(
        pl.col("CustomerID").fill_null("") != "", pl.col("Quantity") > 0, pl.col("UnitPrice") > 0
    )
    codes = [np.unique(table[c].to_numpy().astype(str), return_inverse=True)[1] for c in ("InvoiceNo", "StockCode")]
    value = (table["Quantity"] * table["UnitPrice"]).to_numpy()
    lines = Lines(codes[0].astype(np.int64), codes[1].astype(np.int32), np.zeros(len(value), np.int32), value)
    (row,) = opportunity(lines, Assumptions())
    assert (row.orders, row.single_orders, row.pairs) == (18_532, 1_407, 730)
    assert row.line_mean.middle == pytest.approx(70.7, abs=0.2)
    assert row.line.middle == pytest.approx(23.6, abs=0.2)
    assert row.sales_at_mean.middle == pytest.approx(9_951, rel=0.02)
    assert row.sales_at_mean.low == pytest.approx(8_445, rel=0.05)
    assert row.sales_at_mean.high == pytest.approx(11_858, rel=0.05)
