from __future__ import annotations

import numpy as np
import polars as pl

from recsys.contract import Index
from recsys.data.features import _attributes, encode, title_words


def cells(fields: dict[str, list[object]], n: int) -> dict[tuple[int, str], float]:
    found = encode(fields, n)
    x = found.matrix.tocoo()
    return {(int(r), str(found.columns.ids[c])): float(v) for r, c, v in zip(x.row, x.col, x.data, strict=True)}


def test_numbers_that_are_none_or_not_finite_are_unknown_and_move_nobody_else() -> None:
    """Mean 2 and standard deviation 1 of what is known: 1 and 3."""
    told = cells({"size": [1.0, float("nan"), 3.0, None, float("inf")]}, 5)
    assert told == {(0, "size"): -1.0, (2, "size"): 1.0}


def test_a_column_of_nothing_but_nan_is_no_column() -> None:
    assert cells({"size": [float("nan")] * 3, "colour": ["red", "", None]}, 3) == {(0, "colour:red"): 1.0}


def test_numbers_far_out_are_cut_at_three_deviations() -> None:
    told = cells({"size": [0.0] * 99 + [1000.0]}, 100)
    assert told[(99, "size")] == 3.0


def test_attributes_follow_the_index_and_dates_are_left_out() -> None:
    table = pl.DataFrame(
        {"product": ["b", "a", "b", "z"], "colour": ["old", "red", "blue", "green"], "since": ["2024-01-01"] * 4}
    )
    assert _attributes(table, "product", Index.of(["a", "b", "c"])) == {"colour": ["red", "blue", None]}


def test_title_words_are_those_of_five_titles() -> None:
    titles = ["Red mug"] * 5 + ["blue mug"] * 4
    assert title_words(titles)[0] == ["mug", "red"]
    assert title_words(titles)[8] == ["mug"]
    assert encode({}, 2).matrix.shape == (2, 0)
    assert np.isfinite(encode({"size": [1.0, 2.0]}, 2).matrix.data).all()
