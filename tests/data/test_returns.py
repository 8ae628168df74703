from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.prepare import returned
from recsys.data.returns import net_returns


def lines(*rows: tuple[str | None, str, float, int]) -> pl.DataFrame:
    """(customer, product, signed quantity, time) -> order lines."""
    return pl.DataFrame(
        {
            "order": pl.Series([f"o{i}" for i in range(len(rows))], dtype=pl.String),
            "customer": pl.Series([r[0] for r in rows], dtype=pl.String),
            "product": pl.Series([r[1] for r in rows], dtype=pl.String),
            "quantity": pl.Series([r[2] for r in rows], dtype=pl.Float64, strict=False),
            "time": pl.Series([r[3] for r in rows], dtype=pl.Int64),
            "kind": pl.Series(["return" if r[2] < 0 else "sale" for r in rows], dtype=pl.String),
        }
    )


def kept(frame: Any) -> dict[str, float]:
    return dict(frame.lazy().collect().sort("order").select("order", "quantity").rows())


def test_a_return_takes_back_the_latest_earlier_purchase() -> None:
    table = lines(("c", "p", 5, 10), ("c", "p", 3, 20), ("c", "p", -2, 30), ("c", "p", 4, 40))
    sales, report = net_returns(table)
    assert kept(sales) == {"o0": 5, "o1": 1, "o3": 4}
    assert (report.lines, report.matched_units, report.sales_reduced, report.sales_cleared) == (1, 2, 1, 0)


def test_a_return_reaches_over_several_purchases() -> None:
    table = lines(("c", "p", 5, 10), ("c", "p", 3, 20), ("c", "p", -7, 30))
    sales, report = net_returns(table)
    assert kept(sales) == {"o0": 1}
    assert (report.sales_cleared, report.sales_reduced, report.unmatched_units) == (1, 1, 0)


def test_b37_a_refund_larger_than_the_purchase_is_counted_and_never_negative() -> None:
    sales, report = net_returns(lines(("c", "p", 2, 10), ("c", "p", -5, 20), ("c", "p", 4, 30)))
    assert kept(sales) == {"o2": 4}
    assert (report.unmatched_lines, report.unmatched_units, report.matched_units) == (1, 3, 2)


def test_returns_of_strangers_are_counted_not_guessed() -> None:
    table = lines(("c", "p", 2, 10), ("d", "p", -1, 20), ("c", "q", -1, 20), (None, "p", -1, 20), ("c", "p", -1, 5))
    sales, report = net_returns(table)
    assert kept(sales) == {"o0": 2}
    assert (report.lines, report.unmatched_lines, report.guest_lines, report.unmatched_units) == (4, 4, 1, 4)


def test_a_return_after_the_cutoff_is_not_seen() -> None:
    table = lines(("c", "p", 2, 10), ("c", "p", -2, 30))
    assert kept(net_returns(table, cutoff=30)[0]) == {"o0": 2}
    assert kept(net_returns(table, cutoff=31)[0]) == {}


def test_guests_and_other_kinds() -> None:
    table = lines((None, "p", 2, 10), ("c", "p", 1, 10)).with_columns(
        kind=pl.when(pl.col("order") == "o1").then(pl.lit("non_product")).otherwise("kind")
    )
    assert kept(net_returns(table)[0]) == {"o0": 2}


@pytest.mark.parametrize("native", [pl.DataFrame.lazy, pl.DataFrame.to_pandas])
def test_other_frames_give_the_same(native: Any) -> None:
    table = lines(("c", "p", 5, 10), ("c", "p", 3, 20), ("c", "p", -7, 30), (None, "p", 1, 1), ("d", "q", -1, 5))
    sales, report = net_returns(native(table))
    rows = sales.collect() if isinstance(sales, pl.LazyFrame) else pl.from_pandas(sales)
    assert kept(rows) == {"o0": 1, "o3": 1}
    assert report == net_returns(table)[1]


EVENT = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["p", "q"]), st.sampled_from([-4, -2, -1, 1, 2, 3]))


@given(events=st.lists(EVENT, max_size=14))
@settings(max_examples=60, deadline=None)
def test_the_windows_do_what_a_stack_does(events: list[tuple[str, str, int]]) -> None:
    stacks: dict[tuple[str, str], list[list[Any]]] = {}
    lost = 0
    for i, (customer, product, units) in enumerate(events):
        stack = stacks.setdefault((customer, product), [])
        if units > 0:
            stack.append([f"o{i}", units])
            continue
        owed = -units
        while owed and stack:
            taken = min(owed, stack[-1][1])
            stack[-1][1] -= taken
            owed -= taken
            if not stack[-1][1]:
                stack.pop()
        lost += owed
    sales, report = net_returns(lines(*[(c, p, u, i) for i, (c, p, u) in enumerate(events)]))
    assert kept(sales) == {name: units for stack in stacks.values() for name, units in stack}
    assert report.unmatched_units == lost


def test_a_night_counts_the_returns_nobody_can_match() -> None:
    table = lines(("c", "p", 5, 10), ("c", "p", -2, 20), (None, "p", -1, 30), ("c", "q", -4, 40), ("c", "p", -1, 50))
    told = returned(table.with_columns(day=pl.col("time") // 10), day=4)
    assert (told["lines"], told["matched_units"], told["unmatched_lines"], told["guest_lines"]) == (3, 2, 2, 1)
    assert told["unmatched_units"] == 5
