"""Estimated elasticities beside the planted ones, on a table made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.data.lake import Lake
from recsys.data.marketplace import Size
from recsys.data.simulate import simulate
from recsys.errors import StoreError
from recsys.report.page import Page
from recsys.report.true_prices import compare, price_answers


@pytest.fixture(scope="module")
def truth():
    return simulate(Size(customers=40, products=33, sellers=4, days=30, seed=5)).truth


def table(truth, factor: float, segment: int = 1, width: float = 0.5):
    true = truth.elasticity[segment]
    on_sale = np.flatnonzero(np.isfinite(true))[:9]
    value = factor * true[on_sale]
    return {
        "market": f"{truth.segments.ids[segment]}@2025-01-27",
        "products": ["~rest", *truth.products.ids[on_sale]],
        "own_elasticities": {
            "value": [-1.0, *value],
            "low": [-1.0, *(value - width)],
            "high": [None, *(value + width)],
        },
    }


def test_the_true_values_have_no_error_and_are_covered(truth) -> None:
    found = compare(truth, "blp", table(truth, 1.0))
    assert found is not None
    assert (found.products, found.error, found.covered) == (9, 0, 1)
    assert found.estimated == pytest.approx(found.true)


def test_errors_are_shares_of_the_true_value(truth) -> None:
    found = compare(truth, "logit", table(truth, 0.5, width=0.001))
    assert found is not None
    assert found.error == pytest.approx(0.5)
    assert found.covered == 0
    assert found.estimated == pytest.approx(0.5 * found.true)


def test_a_damaged_table_has_no_answer(truth, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    told = {**table(truth, 1.0), "products": [str(p) for p in table(truth, 1.0)["products"]]}
    ref = lake.put_json("nights/demand/logit.json", told).json()
    page = Page(None, lake, {}, [], {}, {}, {"demand": {"tables": {"logit": ref}}})  # type: ignore[arg-type]
    page.__dict__["truth"] = truth
    assert [answer.covered for answer in price_answers(page)] == [1]
    lake.point(ref["path"], b"{}")
    with pytest.raises(StoreError, match="damaged"):
        price_answers(page)


def test_a_market_of_pooled_segments_has_no_truth(truth) -> None:
    assert compare(truth, "logit", table(truth, 1.0) | {"market": "~other@2025-01-27"}) is None
    few = table(truth, 1.0)
    assert compare(truth, "logit", few | {"products": ["a"] * 10}) is None
