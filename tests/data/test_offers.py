from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.config import Markets
from recsys.contract import EMPTY, Index, Offers, Space
from recsys.data.offers import Built, build_offers
from recsys.errors import DataError, EmptyError

MONDAY = 20_094  # 2025-01-06
COLUMNS = ("order", "customer", "product", "seller", "segment", "quantity", "price", "day", "category", "kind")
ALL = Markets(least_segment=0.0, least_orders=0.0, grace_days=0)


def frame(rows: list[tuple]) -> pl.DataFrame:
    types = {"customer": pl.String, "category": pl.String, "quantity": pl.Float64, "price": pl.Float64}
    table = pl.DataFrame(rows, schema=list(COLUMNS), orient="row", schema_overrides=types)
    return table.with_columns(time=pl.col("day").cast(pl.Int64) * 86_400 + 3600)


def space_of(lines: pl.DataFrame) -> Space:
    ids = [Index.of(lines[c].unique()) for c in ("product", "seller", "segment")]
    return Space(EMPTY, *ids)


def built(
    rows: list[tuple], markets: Markets = ALL, day: int = MONDAY + 365, listing: pl.DataFrame | None = None
) -> Built:
    lines = frame(rows)
    return build_offers(lines, space_of(lines), day, markets, listing)


def cell(found: Built, market: str, alternative: str, column: str) -> float | None:
    o = found.offers
    at = (o.market == found.space.markets.row(market)) & (o.alternative == o.alternatives.row(alternative))
    return None if not at.any() else float(getattr(o, column)[at][0])


WEEKS = [
    ("o1", "ann", "mug", "s1", "north", 2, 10.0, MONDAY, "cup", "sale"),
    ("o1", "ann", "cap", "s2", "north", 1, 20.0, MONDAY, "hat", "sale"),
    ("o2", "bob", "mug", "s1", "north", 1, 13.0, MONDAY + 3, "cup", "sale"),
    ("o3", None, "cap", "s2", "south", 4, 18.0, MONDAY + 1, "hat", "sale"),
    ("o4", "bob", "mug", "s1", "north", 3, 9.0, MONDAY + 15, "cup", "sale"),
    ("o5", "eve", "cap", "s2", "north", 1, 22.0, MONDAY + 8, "hat", "sale"),
    ("o6", "eve", "mug", "s1", "south", 1, 12.0, MONDAY + 1, "cup", "sale"),
    ("o6", "eve", "FEE", "s1", "south", 1, 5.0, MONDAY + 1, None, "non_product"),
    ("o7", "bob", "mug", "s1", "north", 50, 6.0, MONDAY + 15, "cup", "sale"),
    ("o8", "ann", "mug", "s1", "north", -1, 10.0, MONDAY + 4, "cup", "return"),
    ("o9", "dan", "mug", "s1", "north", 1, 0.0, MONDAY + 4, "cup", "sale"),
]


def test_units_prices_and_shares_by_hand() -> None:
    found = built(WEEKS)
    assert found.space.markets.ids.tolist() == [
        "north@2025-01-06", "north@2025-01-13", "north@2025-01-20", "south@2025-01-06",
    ]  # fmt: skip
    first, mug = "north@2025-01-06", "mug"
    assert cell(found, first, mug, "units") == 2.0  # 2 + 1, less the one that came back
    assert cell(found, first, mug, "price") == pytest.approx((1 * 10 + 1 * 13) / 2)
    size = 2 * 3.0  # north's busiest week sold 2 mugs and 1 cap
    assert cell(found, first, mug, "shares") == pytest.approx(2 / size)
    assert found.offers.firm[0] == found.space.sellers.row("s2")


def test_offered_and_unsold_is_a_zero_and_not_offered_is_no_row() -> None:
    found = built(WEEKS)
    assert cell(found, "north@2025-01-13", "mug", "units") == 0.0  # between its first and its last sale
    assert cell(found, "north@2025-01-13", "mug", "price") == pytest.approx(11.5)  # the last price paid
    assert cell(found, "north@2025-01-20", "cap", "units") is None  # its last sale was the week before
    late = built(WEEKS, Markets(least_segment=0.0, least_orders=0.0, grace_days=14))
    assert cell(late, "north@2025-01-20", "cap", "units") == 0.0


def test_every_unit_is_accounted_for_by_reason() -> None:
    """AC-P2."""
    account = built(WEEKS).account
    assert {r: (s.lines, s.units) for r, s in account.dropped.items()} == {
        "no product (fee, postage)": (1, 1.0),
        "returned": (0, 1.0),
        "not a price": (1, 1.0),
        "bulk: quantity discounts are not price variation": (1, 50.0),
    }
    assert account.given.units == 65.0
    assert account.kept.units == 12.0
    assert account.dropped["bulk: quantity discounts are not price variation"].revenue == 300.0


def test_the_future_is_not_seen() -> None:
    whole, past = built(WEEKS, day=MONDAY + 8), built([r for r in WEEKS if r[7] <= MONDAY + 8])
    assert whole.offers.alternatives.digest == past.offers.alternatives.digest
    np.testing.assert_array_equal(whole.offers.units, past.offers.units)
    assert whole.space.markets.ids.tolist()[-1] == "south@2025-01-06"


def test_bulk_lines_can_stay_and_are_shown_apart() -> None:
    found = built(WEEKS, Markets(least_segment=0.0, least_orders=0.0, keep_bulk=True))
    o = found.offers
    row = (o.market == found.space.markets.row("north@2025-01-20")) & (o.alternative == o.alternatives.row("mug"))
    assert o.units[row] == 53.0
    assert o.price[row] == pytest.approx((3 * 9 + 50 * 6) / 53)
    retail = dict(zip(o.attribute_names, o.attributes[row][0], strict=True))
    assert retail == {"retail_price": 9.0, "retail_units": 3.0, "category:cup": 1.0, "category:hat": 0.0}


def test_a_listing_says_what_was_offered_at_what_price_and_cost() -> None:
    listing = pl.DataFrame(
        {
            "segment": ["north", "north", "south"],
            "product": ["mug", "cap", "cap"],
            "day": [MONDAY + 7, MONDAY + 14, MONDAY],
            "price": [10.5, 21.0, 18.0],
            "cost": [4.0, 8.0, 8.5],
        }
    )
    found = built(WEEKS, listing=listing)
    assert cell(found, "north@2025-01-13", "mug", "price") == 10.5
    assert cell(found, "north@2025-01-20", "cap", "units") == 0.0
    assert cell(found, "north@2025-01-06", "mug", "units") == 2.0  # sold without being listed: it was offered
    assert cell(found, "south@2025-01-06", "cap", "cost") == 8.5
    assert "cost" in found.offers.instrument_names


def test_slow_products_are_pooled_and_get_their_share_back() -> None:
    rows = [(f"o{i}", "ann", "mug", "s1", "north", 1, 10.0, MONDAY + i % 14, "cup", "sale") for i in range(20)]
    rows += [("p1", "bob", "jar", "s1", "north", 1, 30.0, MONDAY, "cup", "sale"),
             ("p2", "bob", "pot", "s1", "north", 1, 10.0, MONDAY, "cup", "sale"),
             ("p3", "bob", "pot", "s1", "north", 2, 20.0, MONDAY + 8, "cup", "sale")]  # fmt: skip
    found = built(rows, Markets(least_segment=0.0, least_orders=1.2))
    o, products = found.offers, found.space.products
    assert o.alternatives.ids.tolist() == ["mug", "~s1|cup"]
    assert o.composite_of[products.rows(["jar", "mug", "pot"])].tolist() == [1, 0, 1]
    np.testing.assert_allclose(o.within[products.rows(["jar", "mug", "pot"])], [1.5 / 5, 1.0, 3.5 / 5])
    assert cell(found, "north@2025-01-06", "~s1|cup", "units") == 2.0
    # fixed weights (1 jar, 3 pots): a week in which the jar did not sell is not cheaper for that
    assert cell(found, "north@2025-01-06", "~s1|cup", "price") == pytest.approx((1 * 30 + 3 * 10) / 4)
    assert cell(found, "north@2025-01-13", "~s1|cup", "price") == pytest.approx((1 * 30 + 3 * 20) / 4)
    assert found.report.composites == 1


def test_the_report_says_which_rungs_the_data_can_bear() -> None:
    report = built(WEEKS).report
    assert report.zero_share == pytest.approx(1 / 7)
    assert report.single_item_share == pytest.approx(5 / 6)
    assert report.rungs["shares"] == ""
    assert "at least 20" in report.rungs["blp"]
    assert "blp" not in report.bearable
    assert report.seller_concentration == pytest.approx(0.5)


def test_nothing_left_names_the_reasons() -> None:
    with pytest.raises(EmptyError, match="1 lines dropped: not a price"):
        built([("o", "a", "mug", "s", "north", 1, 0.0, MONDAY, None, "sale")])


LINE = st.tuples(
    st.integers(0, 12).map(lambda i: f"o{i}"),
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["north", "south", "isle"]),
    st.integers(-3, 20).filter(bool),
    st.floats(0, 50).map(lambda p: round(p, 2)),
    st.integers(MONDAY, MONDAY + 40),
    st.sampled_from(["cup", "hat", None]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINE, min_size=3, max_size=40), st.sampled_from([0.0, 1.5]), st.booleans())
def test_a_panel_keeps_its_promises(lines: list[tuple], least_orders: float, keep_bulk: bool) -> None:
    """AC-P1 and AC-P2 on any order lines."""
    rows = [(*line, "sale" if line[5] > 0 else "return") for line in lines]
    markets = Markets(least_segment=0.1, least_orders=least_orders, keep_bulk=keep_bulk)
    try:
        found = built(rows, markets, day=MONDAY + 30)
    except EmptyError:
        return
    check_promises(found.offers, found)


def check_promises(o: Offers, found: Built) -> None:
    inside = np.bincount(o.market, o.shares)
    assert (inside < 1).all()
    assert ((o.shares >= 0) & (o.shares < 1)).all()
    assert (o.price > 0).all()
    pairs = o.market.astype(np.int64) * len(o.alternatives) + o.alternative
    assert len(np.unique(pairs)) == len(pairs)
    assert o.units.sum() == pytest.approx(found.account.kept.units)
    dropped = sum(s.units for s in found.account.dropped.values())
    assert found.account.given.units == pytest.approx(found.account.kept.units + dropped)
    assert o.firm.min() >= 0
    shared = np.bincount(o.composite_of[o.composite_of >= 0], o.within[o.composite_of >= 0])
    np.testing.assert_allclose(shared, 1.0)
    assert all(str(m).rpartition("@")[2] <= "2025-02-05" for m in found.space.markets.ids)


ONLINE_RETAIL = Path(__file__).parents[2].parent / "shared" / "data" / "online_retail" / "online_retail.csv.gz"


@pytest.mark.slow
@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="Online Retail lies beside the repository, in ../shared/data")
def test_quantity_discounts_on_online_retail_fail_the_card() -> None:
    """All lines say the demand is about twice as elastic as the retail lines among them."""
    from recsys.contract import Run
    from recsys.models.demand import gates
    from recsys.models.demand.formulas import Formulas
    from recsys.models.demand.health import mean_own, retail_only
    from recsys.models.demand.mnl_control import fit_mnl
    from recsys.models.demand.panel import Panel

    lines = online_retail()
    found = build_offers(lines, space_of(lines), int(lines["day"].max()), Markets(keep_bulk=True))
    check_retail_account(found, lines)
    panel = Panel(found.offers, found.space)
    formulas = Formulas("prices", ("product", "segment", "period"))
    own, without = (mean_own(fit_mnl(p, formulas, Run(), control=False)[0]) for p in (panel, retail_only(panel)))
    assert own < 1.7 * without < 0
    assert gates.of_bulk(own, without)[0].verdict == "failed"


def check_retail_account(found: Built, lines: pl.DataFrame) -> None:
    sold = lines.filter(pl.col("kind") == "sale")
    assert found.account.given.lines == len(sold)
    assert found.offers.units.sum() == pytest.approx(found.account.kept.units)


def online_retail() -> pl.DataFrame:
    ids = {"InvoiceNo": pl.String, "StockCode": pl.String}
    raw = pl.read_csv(ONLINE_RETAIL, infer_schema_length=None, schema_overrides=ids)
    at = pl.col("InvoiceDate").str.to_datetime("%Y-%m-%d %H:%M:%S")
    back = pl.col("InvoiceNo").str.starts_with("C")
    raw = raw.filter(pl.col("StockCode").str.contains(r"^\d{5}"), back | (pl.col("Quantity") > 0))
    return raw.select(
        order="InvoiceNo", customer=pl.col("CustomerID").cast(pl.String), product="StockCode", seller=pl.lit("shop"),
        segment="Country", quantity=pl.col("Quantity").cast(pl.Float64), price="UnitPrice", time=at.dt.epoch("s"),
        day=at.dt.epoch("d").cast(pl.Int32), category=pl.lit(None, pl.String),
        kind=pl.when(back).then(pl.lit("return")).otherwise(pl.lit("sale")),
    )  # fmt: skip


def test_what_is_slow_even_pooled_joins_the_category_of_all_sellers() -> None:
    rows = [(f"o{i}", "ann", "mug", "s1", "north", 1, 10.0, MONDAY + i % 14, "cup", "sale") for i in range(20)]
    rows += [("p1", "bob", "jar", "s2", "north", 1, 30.0, MONDAY, "cup", "sale"),
             ("p2", "bob", "pot", "s3", "north", 3, 10.0, MONDAY, "cup", "sale")]  # fmt: skip
    found = built(rows, Markets(least_segment=0.0, least_orders=2.0))
    o = found.offers
    assert o.alternatives.ids.tolist() == ["mug", "~|cup"]
    assert cell(found, "north@2025-01-06", "~|cup", "units") == 4.0
    row = o.alternative == o.alternatives.row("~|cup")
    assert set(found.space.sellers.ids[o.firm[row]]) == {"s3"}  # who sells most of it


def test_the_catalogues_categories_nest_products_whose_lines_have_none() -> None:
    from dataclasses import replace

    from recsys.data.offers import attach_offers
    from tests.contest import market_world

    data = market_world.data()
    names = np.array(["cup", "hat", "", "cup", "hat", "cup", "cup"], dtype=object)
    data = replace(data, offers=None, catalogue=replace(data.catalogue, category=names))
    offers = attach_offers(data, market_world.lines(), market_world.LAST, Markets(least_orders=0.0))[0].offers
    assert offers is not None
    nest = {int(a): int(n) for a, n in zip(offers.alternative, offers.nests, strict=True)}
    assert nest[0] == nest[3] == nest[5] == nest[6] != nest[1] == nest[4]
    assert nest[2] not in (nest[0], nest[1])
    assert {"category:cup", "category:hat"} <= set(offers.attribute_names)
    assert {"cost", "quadratic_own_cost", "quadratic_rival_cost", "log_nest_count"} <= set(offers.instrument_names)


def test_a_stored_panel_is_accounted_for_as_when_it_was_built() -> None:
    from dataclasses import replace

    from recsys.data.offers import accounted, attach_offers
    from tests.contest import market_world

    markets = Markets(least_orders=0.0)
    data, built_now = attach_offers(market_world.data(), market_world.lines(), market_world.LAST, markets)
    assert accounted(data, market_world.lines(), market_world.LAST, markets) == (built_now.account, built_now.report)
    with pytest.raises(DataError, match="no offers"):
        accounted(replace(data, offers=None), market_world.lines(), market_world.LAST, markets)
    with pytest.raises(DataError, match="lost or counted twice"):
        accounted(data, market_world.lines().head(100), market_world.LAST, markets)
