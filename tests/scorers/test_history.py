from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys.contract import DAY, stack_rows
from recsys.scorers.history import weigh

NOW = np.array([100 * DAY, 100 * DAY], dtype=np.int64)
# row 0: product 2 ten days ago (3 units) and today (1 unit), product 0 twenty days ago (4 units); row 1: nothing
EVENTS = dataclasses.replace(
    stack_rows([[0, 2, 2], []]),
    time=np.array([80, 90, 100], dtype=np.int64) * DAY,
    weight=np.array([4, 3, 1], dtype=np.float32),
)


@pytest.mark.parametrize(
    ("weighting", "half_life", "row"),
    [
        ("binary", None, [1, 0, 1]),
        ("events", None, [1, 0, 2]),
        ("units", None, [4, 0, 4]),
        ("log", None, [np.log(5), 0, np.log(5)]),
        ("binary", 10.0, [0.25, 0, 1]),  # the newest event of a product counts
        ("events", 10.0, [0.25, 0, 1.5]),
        ("units", 10.0, [1, 0, 2.5]),
    ],
)
def test_what_an_event_counts(weighting: str, half_life: float | None, row: list[float]) -> None:
    rows = weigh(EVENTS, 3, weighting, NOW, half_life)  # type: ignore[arg-type]
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.toarray(), [row, [0, 0, 0]], rtol=1e-6)


def test_an_ancient_purchase_is_still_a_purchase() -> None:
    rows = weigh(EVENTS, 3, "events", NOW + 10**9, 0.01)
    assert (rows.toarray()[0, [0, 2]] > 0).all()


def test_events_are_left_as_they_were() -> None:
    events = dataclasses.replace(EVENTS, product=np.array([2, 0, 2], dtype=np.int32))
    weigh(events, 3, "units", NOW, 10.0)
    np.testing.assert_array_equal(events.product, [2, 0, 2])
