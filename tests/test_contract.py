"""Ragged rows taken by hand."""

from __future__ import annotations

import numpy as np

from recsys.contract import Index, Offers, Truth, stack_rows


def truth() -> Truth:
    """Three customers: bought 3 products, none, and 2."""
    start, product = np.array([0, 3, 3, 5]), np.array([4, 0, 2, 1, 3], dtype=np.int32)
    return Truth(start, product, np.arange(5, dtype=np.float32), 10 * np.arange(5, dtype=np.float32), np.arange(5))


def test_rows_of_the_truth_are_taken_in_the_given_order() -> None:
    taken = truth().take(np.array([2, 1, 0, 2], dtype=np.int32))
    assert taken.start.tolist() == [0, 2, 2, 5, 7]
    assert taken.product.tolist() == [1, 3, 4, 0, 2, 1, 3]
    assert taken.quantity.tolist() == [3, 4, 0, 1, 2, 3, 4]
    assert taken.revenue.tolist() == [30, 40, 0, 10, 20, 30, 40]
    assert taken.time.tolist() == [3, 4, 0, 1, 2, 3, 4]
    assert taken.owner.tolist() == [0, 0, 2, 2, 2, 3, 3]


def test_nothing_taken_is_an_empty_truth() -> None:
    for whole in (truth(), truth().take(np.empty(0, dtype=np.int32))):
        taken = whole.take(np.empty(0, dtype=np.int32))
        assert (len(taken), taken.start.tolist(), taken.product.tolist()) == (0, [0], [])
        assert taken.owner.dtype == np.int32


def test_an_unknown_customer_has_an_empty_history() -> None:
    taken = stack_rows([[1, 2], [], [0]]).take(np.array([2, -1, 0], dtype=np.int32))
    assert (taken.start.tolist(), taken.product.tolist()) == ([0, 1, 1, 3], [0, 1, 2])
    assert stack_rows([]).take(np.array([-1, -1], dtype=np.int32)).start.tolist() == [0, 0, 0]


def test_offers_are_taken_row_by_row_and_whole_columns_stay() -> None:
    n = np.arange(4)
    offers = Offers(
        alternatives=Index.of("ab"), composite_of=np.array([0, 1, 1], dtype=np.int32), market=n.astype(np.int32),
        alternative=n.astype(np.int32) % 2, price=n + 0.5, firm=n.astype(np.int32), size=np.array([9.0, 8.0]),
        attributes=np.stack([n, -n], axis=1) * 1.0, units=n * 3.0, nests=n.astype(np.int32), within=np.ones(3),
    )  # fmt: skip
    flags = offers.take(np.array([False, True, False, True]))
    rows = offers.take(np.array([1, 3], dtype=np.int32))
    for taken in (flags, rows):
        assert taken.market.tolist() == [1, 3]
        assert taken.price.tolist() == [1.5, 3.5]
        assert taken.attributes.tolist() == [[1, -1], [3, -3]]
        assert taken.units is not None
        assert taken.units.tolist() == [3, 9]
        assert taken.cost is None
        assert (taken.size.tolist(), len(taken.composite_of)) == ([9, 8], 3)
